/// The content of a directory as ext4 stores it: records in 4 KiB blocks, in the order given.
struct DirectoryBlocks {
    private(set) var bytes: [UInt8] = []
    private var lastRecord = 0

    /// The type numbers of directory records.
    enum Kind: UInt8 {
        case file = 1
        case directory = 2
        case characterDevice = 3
        case blockDevice = 4
        case fifo = 5
        case symbolicLink = 7
    }

    init(inode: UInt32, parent: UInt32) {
        add(inode, [0x2e], .directory)
        add(parent, [0x2e, 0x2e], .directory)
    }

    mutating func add(_ inode: UInt32, _ name: [UInt8], _ kind: Kind) {
        let needed = (8 + name.count + 3) / 4 * 4
        if bytes.count % 4096 + needed > 4096 || bytes.count % 4096 == 0 { close() }
        lastRecord = bytes.count
        append(inode, 4)
        append(UInt32(needed), 2)
        bytes.append(UInt8(name.count))
        bytes.append(kind.rawValue)
        bytes += name
        bytes.append(contentsOf: repeatElement(0, count: needed - 8 - name.count))
    }

    /// The finished blocks.
    mutating func finish() -> [UInt8] {
        close()
        return bytes
    }

    /// Stretches the last record to the end of its block.
    private mutating func close() {
        let rest = (4096 - bytes.count % 4096) % 4096
        guard !bytes.isEmpty, rest > 0 else { return }
        let length = bytes.count - lastRecord + rest
        bytes[lastRecord + 4] = UInt8(length & 0xff)
        bytes[lastRecord + 5] = UInt8(length >> 8)
        bytes.append(contentsOf: repeatElement(0, count: rest))
    }

    private mutating func append(_ value: UInt32, _ count: Int) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }
}
