import CGuest

/// What tells this machine from others: its names, its ids, its random numbers and its time.
enum Identity {
    private static let bootID = "/proc/sys/kernel/random/boot_id"
    private static let machineID = "/etc/machine-id"
    private static let dbusMachineID = "/var/lib/dbus/machine-id"

    /// At the boot, once /etc is the image's own and can be written.
    static func write(_ configuration: RunConfiguration) {
        let name = configuration.hostname
        _ = name.withUnsafeBytes { sethostname($0.baseAddress, $0.count) }
        mkdir("/etc", 0o755)
        replaceFile("/etc/hostname", name + [0x0a])
        // An image's own would be the same in all its machines.
        unlink(machineID)
        if drawMachineID() < 0 { Console.write("fcctl: cannot write \(machineID)\n") }
        coverBootID()
    }

    /// In a clone, before it is given a request: 0, or the first -errno. Every step is tried, so that a clone with the
    /// wrong name still does not draw its siblings' numbers; ids are drawn last, from the new numbers.
    static func renew(entropy: [UInt8], clock: UInt64, name: [UInt8]) -> Int32 {
        var steps = [g_add_entropy(entropy, entropy.count, 1), g_set_clock(clock)]
        if !name.isEmpty { steps.append(rename(to: name)) }
        steps.append(drawMachineID())
        steps.append(drawBootID())
        return steps.first { $0 < 0 } ?? 0
    }

    /// Nobody's file is written over: where the app has its own text, that stays.
    private static func rename(to name: [UInt8]) -> Int32 {
        var old = [UInt8](repeating: 0, count: 65)
        _ = old.withUnsafeMutableBytes { gethostname($0.baseAddress, $0.count - 1) }
        old = Array(old.prefix { $0 != 0 })
        let result = name.withUnsafeBytes { sethostname($0.baseAddress, $0.count) }
        if result < 0 { return -g_errno() }
        if old.isEmpty || old == name { return 0 }
        for (path, before) in [("/etc/hostname", [UInt8]()), ("/etc/hosts", [0x09])] {
            guard let text = readFile(path, limit: 64 << 10),
                let start = find(before + old + [0x0a], in: text)
            else { continue }
            let place = start + before.count
            let written = overwrite(path, Array(text[..<place]) + name + Array(text[(place + old.count)...]))
            if written < 0 { return written }
        }
        return 0
    }

    /// The id of systemd and D-Bus, in the file of the one and, where the image has it, of the other.
    private static func drawMachineID() -> Int32 {
        var bytes = [UInt8](repeating: 0, count: 16)
        let drawn = g_random(&bytes, bytes.count)
        if drawn < 0 { return drawn }
        let text = hexadecimal(bytes[...]) + [0x0a]
        let written = overwrite(machineID, text)
        guard written >= 0, access(dbusMachineID, F_OK) == 0 else { return written }
        // Often a link to the other one.
        return overwrite(dbusMachineID, text)
    }

    /// The kernel draws its boot id once and for all, and it is in every clone's memory. A file over it can be drawn
    /// anew; a program that mounts a /proc of its own still sees the kernel's.
    private static func coverBootID() {
        let cover = "/dev/.boot-id"
        guard let text = readFile(bootID, limit: 64) else { return }
        replaceFile(cover, text)
        chmod(cover, 0o444)
        if mount(cover, bootID, nil, UInt(MS_BIND), nil) < 0 {
            Console.write("fcctl: cannot cover \(bootID): \(describe(errno: g_errno()))\n")
        }
        unlink(cover)
    }

    private static func drawBootID() -> Int32 {
        var bytes = [UInt8](repeating: 0, count: 16)
        let drawn = g_random(&bytes, bytes.count)
        if drawn < 0 { return drawn }
        // RFC 9562, version 4.
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        var text: [UInt8] = []
        for (start, end) in [(0, 4), (4, 6), (6, 8), (8, 10), (10, 16)] {
            if start > 0 { text.append(0x2d) }
            text += hexadecimal(bytes[start..<end])
        }
        return overwrite(bootID, text + [0x0a])
    }

    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        for byte in bytes {
            for nibble in [byte >> 4, byte & 15] { text.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble) }
        }
        return text
    }

    private static func find(_ part: [UInt8], in text: [UInt8]) -> Int? {
        guard part.count <= text.count else { return nil }
        return (0...(text.count - part.count)).first { text[$0..<($0 + part.count)].elementsEqual(part) }
    }

    /// Writes in place, so that a reader never finds the file missing, and at once, so that it hardly finds it half new.
    private static func overwrite(_ path: String, _ bytes: [UInt8]) -> Int32 {
        let file = g_open(path, O_WRONLY | O_CREAT, 0o444)
        if file < 0 { return file }
        defer { close(file) }
        let count = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
        if count < 0 { return -g_errno() }
        return count == bytes.count && ftruncate(file, off_t(bytes.count)) == 0 ? 0 : -EIO
    }
}
