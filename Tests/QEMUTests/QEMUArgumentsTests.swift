import LinuxHost
import Testing

@testable import QEMU

@Suite struct QEMUArgumentsTests {
    private func arguments(_ accelerator: QEMUAccelerator = .tcg) -> QEMUArguments {
        var numbers = QEMUArguments.Descriptors()
        numbers.monitor = numbers.next()
        numbers.console = numbers.next()
        numbers.kernel = numbers.next()
        return QEMUArguments(
            accelerator: accelerator, vcpus: 2, memory: .mebibytes(256), commandLine: "console=ttyS0 a=b,c",
            guestMAC: "06:00:ac:10:00:02", descriptors: numbers)
    }

    @Test func `the least machine has no disk and no network`() {
        #expect(
            arguments().list == [
                "-M", "microvm,acpi=on,rtc=on,pit=on,pic=on,x-option-roms=off", "-accel",
                "tcg,thread=single,tb-size=64", "-cpu", "qemu64", "-m", "256M", "-smp", "2", "-nodefaults",
                "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot", "-sandbox",
                "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-kernel",
                "/proc/self/fd/5", "-append", "console=ttyS0 a=b,c", "-add-fd", "fd=4,set=4", "-chardev",
                "file,id=console,path=/dev/fdset/4,append=on", "-serial", "chardev:console", "-chardev",
                "socket,id=qmp,fd=3,server=on,wait=off", "-mon", "chardev=qmp,mode=control",
            ])
    }

    @Test func `disks and network are descriptors, the root read-only and unlocked`() {
        var full = arguments(.kvm)
        full.descriptors.initramfs = full.descriptors.next()
        full.descriptors.tap = full.descriptors.next()
        full.descriptors.rootDisk = full.descriptors.next()
        full.descriptors.scratchDisk = full.descriptors.next()
        let text = full.list.joined(separator: " ")
        #expect(text.contains("-accel kvm -cpu host"))
        #expect(text.contains("-initrd /proc/self/fd/6"))
        #expect(
            text.contains(
                "-add-fd fd=8,set=8 -drive id=root,file=/dev/fdset/8,format=raw,if=none,file.locking=off,readonly=on"))
        #expect(
            text.contains(
                "id=scratch,file=/dev/fdset/9,format=raw,if=none,file.locking=off,auto-read-only=off,cache=unsafe"))
        #expect(text.contains("-netdev tap,id=net0,fd=7 -device virtio-net-device,netdev=net0,mac=06:00:ac:10:00:02"))
    }

    @Test func `a memory file is mapped as asked`() {
        var restored = arguments()
        restored.memorySource = .file(shared: false)
        restored.descriptors.memory = 12
        restored.isIncoming = true
        let text = restored.list.joined(separator: " ")
        #expect(text.contains("x-option-roms=off,memory-backend=ram"))
        #expect(text.contains("-object memory-backend-file,id=ram,size=256M,mem-path=/proc/self/fd/12,share=off"))
        #expect(text.contains("-incoming defer") && !text.contains("-kernel"))
    }

    @Test(arguments: [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright", "7.2.22"),
        ("QEMU emulator version 9.1.0", "9.1.0"), ("bash: no version here", nil), ("QEMU emulator version", nil),
        ("QEMU version x", nil), ("", nil),
    ])
    func `the version is read from the banner`(_ banner: String, _ version: String?) {
        #expect(QEMUBinary.parseVersion(banner) == version)
    }

    @Test func `a QEMU that is not there is named with what to install`() {
        let named = #expect(throws: (any Error).self) {
            _ = try QEMUBinary.find(environment: ["FCCTL_QEMU": "/no/such/qemu"])
        }
        #expect("\(named as Any)".contains("FCCTL_QEMU names /no/such/qemu"))
        let missing = #expect(throws: (any Error).self) { _ = try QEMUBinary.find(environment: ["PATH": "/proc"]) }
        #expect("\(missing as Any)".contains("install qemu-system-x86"))
        let other = #expect(throws: (any Error).self) {
            _ = try QEMUBinary.find(environment: ["FCCTL_QEMU": "/bin/true"])
        }
        #expect("\(other as Any)".contains("did not answer as QEMU does"))
    }
}
