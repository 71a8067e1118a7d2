/// Writes the "newc" cpio format that the kernel unpacks into its first root. Deterministic: no times, no owners.
struct CpioArchive {
    private(set) var bytes: [UInt8] = []
    private var inode: UInt32 = 0

    mutating func addDirectory(_ name: String) {
        add(name, mode: 0o40755, content: [])
    }

    mutating func addFile(_ name: String, mode: UInt32, content: [UInt8]) {
        add(name, mode: 0o100000 | mode, content: content)
    }

    mutating func addCharacterDevice(_ name: String, mode: UInt32, major: UInt32, minor: UInt32) {
        add(name, mode: 0o20000 | mode, content: [], device: (major, minor))
    }

    /// Ends the archive. Archives that follow one another in a file are unpacked one over the other.
    consuming func finish() -> [UInt8] {
        inode = 0
        add("TRAILER!!!", mode: 0, content: [])
        return bytes
    }

    private mutating func add(_ name: String, mode: UInt32, content: [UInt8], device: (UInt32, UInt32) = (0, 0)) {
        inode += 1
        let links: UInt32 = 1
        let fields: [UInt32] = [
            inode, mode, 0, 0, links, 0, UInt32(content.count), 0, 0, device.0, device.1, UInt32(name.utf8.count + 1),
            0,
        ]
        bytes.append(contentsOf: "070701".utf8)
        for field in fields { appendHexadecimal(field) }
        bytes.append(contentsOf: name.utf8)
        bytes.append(0)
        pad()
        bytes.append(contentsOf: content)
        pad()
    }

    private mutating func pad() {
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    private mutating func appendHexadecimal(_ value: UInt32) {
        for shift in stride(from: UInt32(28), through: 0, by: -4) {
            let nibble = UInt8(value >> shift & 15)
            bytes.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
        }
    }
}
