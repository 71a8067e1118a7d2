/// Reads header blocks, all of one connection and in their order: each may change the table that the next one needs.
///
/// What names and values may be made of is not looked at. After an error the table is out of step for good.
package struct HPACKDecoder: ~Copyable {
    private var table: HPACKDynamicTable
    private let statics = HPACKStaticTable.shared
    private let huffman = HuffmanDecoder.shared
    private let tableLimit: Int
    /// Table size updates that may still come in this block.
    private var updates = 0

    /// `tableLimit` is what SETTINGS_HEADER_TABLE_SIZE told the peer.
    package init(tableLimit: Int = 4096) {
        self.tableLimit = tableLimit
        table = HPACKDynamicTable(limit: tableLimit)
    }

    /// What comes next is a new block.
    package mutating func begin() {
        // RFC 7541, 4.2: the smallest size that there was since the last block, and the present one.
        updates = 2
    }

    /// Reads the field at `at` and moves past it, also past table size updates before it. Nil at the end of the block.
    ///
    /// The field is appended to `text` as `name: value` with a line end, and the ranges say where its parts are in it.
    package mutating func next(
        _ block: UnsafeRawBufferPointer, _ at: inout Int, into text: inout [UInt8]
    ) throws(HPACKError) -> HPACKField? {
        while at < block.count {
            let first = block[at]
            if first >= 0x80 {
                let index = try HPACKInteger.read(block, &at, mask: 0x7f)
                updates = -1
                let (line, name, value) = try line(index)
                return append(line, name, value, &text)
            }
            if first & 0xe0 != 0x20 {
                updates = -1
                return try literal(block, &at, &text, isInserted: first >= 0x40)
            }
            try updateSize(block, &at)
        }
        return nil
    }

    @inline(never)
    private mutating func updateSize(_ block: UnsafeRawBufferPointer, _ at: inout Int) throws(HPACKError) {
        if updates <= 0 { throw updates < 0 ? .lateSizeUpdate : .tooManySizeUpdates }
        updates -= 1
        let size = try HPACKInteger.read(block, &at, mask: 0x1f)
        if size > tableLimit { throw .sizeUpdateTooLarge }
        table.setLimit(size)
    }

    /// The line of an index, and how long its name and value are.
    @inline(__always)
    private func line(_ index: Int) throws(HPACKError) -> (UnsafeRawPointer, Int, Int) {
        if index > HPACKStaticTable.count {
            let index = index &- HPACKStaticTable.count
            guard index <= Int(table.count) else { throw .unknownIndex }
            let entry = table.entry(UInt32(truncatingIfNeeded: index))
            return (table.base + Int(entry.start), Int(entry.nameLength), Int(entry.valueLength))
        }
        guard index > 0 else { throw .unknownIndex }
        let line = statics.lines[index]
        return (HPACKStaticTable.base + line.start, line.nameLength, line.valueLength)
    }

    @inline(__always)
    private func append(_ line: UnsafeRawPointer, _ name: Int, _ value: Int, _ text: inout [UInt8]) -> HPACKField {
        let start = text.count
        let count = name &+ value &+ 4
        text.append(addingCapacity: count) { memory in
            memory.withUnsafeMutableBufferPointer { memory, written in
                guard let base = memory.baseAddress else { return }
                UnsafeMutableRawPointer(base).copyMemory(from: line, byteCount: count)
                written = count
            }
        }
        let colon = start &+ name
        return HPACKField(name: start..<colon, value: colon &+ 2..<colon &+ 2 &+ value)
    }

    @inline(never)
    private mutating func literal(
        _ block: UnsafeRawBufferPointer, _ at: inout Int, _ text: inout [UInt8], isInserted: Bool
    ) throws(HPACKError) -> HPACKField {
        let index = try HPACKInteger.read(block, &at, mask: isInserted ? 0x3f : 0x0f)
        var name = HPACKString()
        var nameBound = 0
        if index == 0 {
            name = try HPACKString(block, &at)
            nameBound = name.bound
        } else {
            nameBound = try line(index).1
        }
        let value = try HPACKString(block, &at)
        let bound = nameBound &+ value.bound &+ 4
        // A line that cannot stay does not make the table's memory grow for good.
        let isLarge = bound > tableLimit &+ 1024
        let line = isLarge ? .allocate(byteCount: bound, alignment: 8) : table.room(bound)
        defer { if isLarge { line.deallocate() } }

        var nameLength = nameBound
        if index == 0 {
            nameLength = try name.read(block, huffman, to: line)
        } else {
            // Found again, as the table's memory may have moved.
            line.copyMemory(from: try self.line(index).0, byteCount: nameLength)
        }
        let colon = line + nameLength
        colon.storeBytes(of: UInt16(0x203a).littleEndian, as: UInt16.self)
        let valueLength = try value.read(block, huffman, to: colon + 2)
        (colon + 2 + valueLength).storeBytes(of: UInt16(0x0a0d).littleEndian, as: UInt16.self)
        if isInserted {
            let size = nameLength &+ valueLength &+ 4
            if isLarge, size < table.limit { table.room(size).copyMemory(from: line, byteCount: size) }
            table.insert(
                HPACKDynamicTable.Entry(
                    nameLength: UInt32(truncatingIfNeeded: nameLength),
                    valueLength: UInt32(truncatingIfNeeded: valueLength)))
        }
        return append(line, nameLength, valueLength, &text)
    }
}
