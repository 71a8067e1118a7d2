import LinuxHost
import VMM

/// Who executes the guest's instructions.
package enum QEMUAccelerator: String, Sendable, Hashable {
    /// QEMU's translator: works anywhere, slow, and no security boundary by QEMU's own statement.
    case tcg
    case kvm
}

/// The command line of one microVM. Everything it opens is an inherited descriptor, so that the process needs no path
/// of the host beyond its own firmware.
struct QEMUArguments: Hashable {
    /// Descriptor numbers in the child, in the order in which they are handed to it.
    struct Descriptors: Hashable {
        var count: Int32 = 0
        var monitor: Int32?
        var console: Int32?
        var kernel: Int32?
        var initramfs: Int32?
        var tap: Int32?
        var rootDisk: Int32?
        var scratchDisk: Int32?
        var memory: Int32?

        /// The next number; the launcher places descriptors from 3 on.
        mutating func next() -> Int32 {
            defer { count += 1 }
            return 3 + count
        }
    }

    /// Where the guest's memory comes from.
    enum Memory: Hashable {
        case anonymous
        /// The file of `Descriptors.memory`; `shared` writes go into the file, otherwise they stay private.
        case file(shared: Bool)
    }

    var accelerator: QEMUAccelerator
    var vcpus: Int
    var memory: MemorySize
    var memorySource: Memory = .anonymous
    var commandLine: String
    var guestMAC: String
    var descriptors: Descriptors
    /// Whether the machine waits for a snapshot to load instead of booting.
    var isIncoming = false

    var list: [String] {
        machine + confinement + (isIncoming ? ["-incoming", "defer"] : boot) + console + disks + network + monitor
    }

    private var machine: [String] {
        // ACPI, because Debian's kernel finds virtio-mmio devices by it alone; no option ROMs, nothing boots from them.
        var machine = "microvm,acpi=on,rtc=on,pit=on,pic=on,x-option-roms=off"
        var backend: [String] = []
        if case .file(let shared) = memorySource, let file = descriptors.memory {
            machine += ",memory-backend=ram"
            let share = shared ? "on" : "off"
            backend = [
                "-object",
                "memory-backend-file,id=ram,size=\(memory.mebibytes)M,mem-path=/proc/self/fd/\(file),share=\(share)",
            ]
        }
        let accelerator: [String] =
            switch self.accelerator {
            // The translation buffer is bounded, so that the cgroup's memory limit can be. qemu64, because it is the same
            // in every release of QEMU, and `max` boots Debian's kernel no faster.
            case .tcg: ["-accel", "tcg,thread=single,tb-size=\(QEMUArguments.translationMebibytes)", "-cpu", "qemu64"]
            case .kvm: ["-accel", "kvm", "-cpu", "host"]
            }
        return ["-M", machine] + accelerator + ["-m", "\(memory.mebibytes)M", "-smp", "\(vcpus)"] + backend
    }

    static let translationMebibytes: UInt64 = 64

    private var confinement: [String] {
        [
            "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot", "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ]
    }

    private var boot: [String] {
        var arguments: [String] = []
        // Not a descriptor set: these two are opened by plain open(2).
        if let kernel = descriptors.kernel { arguments += ["-kernel", "/proc/self/fd/\(kernel)"] }
        if let initramfs = descriptors.initramfs { arguments += ["-initrd", "/proc/self/fd/\(initramfs)"] }
        return arguments + ["-append", commandLine]
    }

    private var console: [String] {
        guard let console = descriptors.console else { return [] }
        return inherited(console) + [
            "-chardev", "file,id=console,path=/dev/fdset/\(console),append=on", "-serial", "chardev:console",
        ]
    }

    private var disks: [String] {
        var arguments: [String] = []
        if let root = descriptors.rootDisk { arguments += disk("root", root, readOnly: true) }
        if let scratch = descriptors.scratchDisk { arguments += disk("scratch", scratch, readOnly: false) }
        return arguments
    }

    private func disk(_ name: String, _ descriptor: Int32, readOnly: Bool) -> [String] {
        // The root is shared by every machine of the image, so QEMU must not lock it.
        let options = "id=\(name),file=/dev/fdset/\(descriptor),format=raw,if=none,file.locking=off"
        // Without auto-read-only=off QEMU first opens it for reading, and no descriptor of the set is for that.
        let access = readOnly ? ",readonly=on" : ",auto-read-only=off,cache=unsafe"
        return inherited(descriptor) + [
            "-drive", options + access, "-device", "virtio-blk-device,drive=\(name)",
        ]
    }

    private var network: [String] {
        guard let tap = descriptors.tap else { return [] }
        return [
            "-netdev", "tap,id=net0,fd=\(tap)", "-device", "virtio-net-device,netdev=net0,mac=\(escape(guestMAC))",
        ]
    }

    private var monitor: [String] {
        guard let monitor = descriptors.monitor else { return [] }
        return [
            "-chardev", "socket,id=qmp,fd=\(monitor),server=on,wait=off", "-mon", "chardev=qmp,mode=control",
        ]
    }

    private func inherited(_ descriptor: Int32) -> [String] {
        ["-add-fd", "fd=\(descriptor),set=\(descriptor)"]
    }

    /// QEMU's option lists are separated by commas; a doubled one is a plain one.
    private func escape(_ text: String) -> String {
        String(text.flatMap { $0 == "," ? [$0, $0] : [$0] })
    }
}
