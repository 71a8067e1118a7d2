/// Whether a field may enter the table. What is never to be in one is written so that nobody behind puts it in one either.
package enum HPACKIndexing: Sendable { case incremental, none, never }

/// Writes header blocks, all of one connection and in their order.
package struct HPACKEncoder: ~Copyable {
    /// More than the table that everybody has before any SETTINGS is not used.
    private static let largestTable = 4096

    private var table = HPACKDynamicTable(limit: HPACKEncoder.largestTable)
    private let index = HPACKIndex()
    /// What the next block has to say about the table: the smallest limit since the last one, and the present one.
    private var smallest = HPACKEncoder.largestTable
    private var limit = HPACKEncoder.largestTable
    private var isResized = false

    package init() {}

    /// Takes the peer's SETTINGS_HEADER_TABLE_SIZE.
    package mutating func setTableLimit(_ size: Int) {
        limit = min(max(size, 0), Self.largestTable)
        smallest = min(smallest, limit)
        isResized = smallest < table.limit || limit != table.limit
    }

    /// No block of so many fields, whose names and values have so many bytes together, is larger. A status is a field of no text.
    package static func bound(of textBytes: Int, fields: Int) -> Int {
        // For each field one to three bytes of index and twice up to five of length, before all of them two sizes.
        textBytes + 13 * fields + 8
    }

    /// Begins a block.
    package mutating func begin(_ writer: inout HeadWriter) {
        if isResized { resize(&writer) }
    }

    @inline(never)
    private mutating func resize(_ writer: inout HeadWriter) {
        if smallest < min(limit, table.limit) {
            writer.put(integer: smallest, mask: 0x1f, first: 0x20)
            table.setLimit(smallest)
        }
        writer.put(integer: limit, mask: 0x1f, first: 0x20)
        table.setLimit(limit)
        smallest = limit
        isResized = false
    }

    package mutating func put(status: Int, _ writer: inout HeadWriter) {
        switch status {
        case 200: writer.put(byte: 0x88)
        case 204: writer.put(byte: 0x89)
        case 206: writer.put(byte: 0x8a)
        case 304: writer.put(byte: 0x8b)
        case 400: writer.put(byte: 0x8c)
        case 404: writer.put(byte: 0x8d)
        case 500: writer.put(byte: 0x8e)
        default: putOther(status: status, &writer)
        }
    }

    @inline(never)
    private mutating func putOther(status: Int, _ writer: inout HeadWriter) {
        // ":status" and three digits, the first byte lowest.
        let digits =
            UInt64(0x30 + status / 100 % 10) | UInt64(0x30 + status / 10 % 10) << 8
            | UInt64(0x30 + status % 10) << 16
        withUnsafeBytes(of: (UInt64(0x0073_7574_6174_733a).littleEndian, digits.littleEndian)) { bytes in
            guard let base = bytes.baseAddress else { return }
            put(base, name: 0..<7, value: 8..<11, .incremental, &writer)
        }
    }

    /// Writes the field whose name and value stand at these places of `bytes`. The name is written in lower case.
    package mutating func put(
        _ bytes: UnsafeRawPointer, name: Range<Int>, value: Range<Int>, _ indexing: HPACKIndexing,
        _ writer: inout HeadWriter
    ) {
        let nameHash = HPACKBytes.hash(
            bytes + name.lowerBound, name.count, seed: 0, folding: HPACKBytes.folding)
        let fieldHash = HPACKBytes.hash(bytes + value.lowerBound, value.count, seed: nameHash, folding: 0)
        let field = HPACKIndex.Field(
            name: bytes + name.lowerBound, nameLength: name.count, value: bytes + value.lowerBound,
            valueLength: value.count, nameHash: UInt32(truncatingIfNeeded: nameHash),
            fieldHash: UInt32(truncatingIfNeeded: fieldHash))

        if indexing != .never {
            let found = index.find(field, in: table)
            if found != 0 { return putIndex(HPACKStaticTable.count &+ Int(found), &writer) }
        }
        var known = HPACKStaticTable.find(field.name, field.nameLength, hash: nameHash)
        if known != 0 {
            if indexing != .never {
                let found = HPACKStaticTable.find(value: field.value, field.valueLength, from: known)
                if found != 0 { return putIndex(found, &writer) }
            }
        } else {
            let found = index.findName(field, in: table)
            if found != 0 { known = HPACKStaticTable.count &+ Int(found) }
        }
        // A field that the table has no room for would empty it.
        let isInserted = indexing == .incremental && field.nameLength &+ field.valueLength &+ 32 <= table.limit
        if isInserted {
            writer.put(integer: known, mask: 0x3f, first: 0x40)
        } else {
            writer.put(integer: known, mask: 0x0f, first: indexing == .never ? 0x10 : 0)
        }
        if known == 0 { putName(field.name, field.nameLength, &writer) }
        putValue(field.value, field.valueLength, &writer)
        if isInserted { index.insert(field, in: &table) }
    }

    @inline(__always)
    private func putIndex(_ index: Int, _ writer: inout HeadWriter) {
        writer.put(integer: index, mask: 0x7f, first: 0x80)
    }

    @inline(__always)
    private func putName(_ name: UnsafeRawPointer, _ count: Int, _ writer: inout HeadWriter) {
        let packed = HuffmanEncoder.length(name, count, asName: true)
        if packed < count {
            writer.put(integer: packed, mask: 0x7f, first: 0x80)
            HuffmanEncoder.encode(name, count, asName: true, to: writer.claim(packed))
        } else {
            writer.put(integer: count, mask: 0x7f, first: 0)
            HPACKBytes.copy(name: name, count, to: writer.claim(count))
        }
    }

    @inline(__always)
    private func putValue(_ value: UnsafeRawPointer, _ count: Int, _ writer: inout HeadWriter) {
        let packed = HuffmanEncoder.length(value, count, asName: false)
        if packed < count {
            writer.put(integer: packed, mask: 0x7f, first: 0x80)
            HuffmanEncoder.encode(value, count, asName: false, to: writer.claim(packed))
        } else {
            writer.put(integer: count, mask: 0x7f, first: 0)
            writer.claim(count).copyMemory(from: value, byteCount: count)
        }
    }
}
