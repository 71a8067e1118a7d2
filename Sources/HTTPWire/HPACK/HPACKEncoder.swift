/// Whether a field may enter the table.
package enum HPACKIndexing: Sendable {
    case incremental
    /// For values that differ each time: the name enters the table, with the first of them.
    case name
    case none
    /// Written so that nobody behind keeps it either.
    case never
}

/// Writes header blocks, all of one connection and in their order.
package struct HPACKEncoder: ~Copyable {
    /// More than the table that everybody has before any SETTINGS is not used.
    private static let largestTable = 4096

    private var table = HPACKDynamicTable(limit: HPACKEncoder.largestTable)
    private let index = HPACKIndex()
    private let statics = HPACKStaticTable.shared
    private let huffman = HuffmanEncoder.shared
    /// What the next block has to say about the table: the smallest limit since the last one, and the present one.
    private var smallest = HPACKEncoder.largestTable
    private var limit = HPACKEncoder.largestTable
    private var isResized = false
    /// The number of the entry that the next field is looked for at first. Heads of one app are alike, so that their fields
    /// stand in the table as they come: behind the last one that was found.
    private var expected: UInt32 = 0
    /// Where the last block began in the table; nil while the present one has not met an entry.
    private var first: UInt32?

    package init() {}

    /// Takes the peer's SETTINGS_HEADER_TABLE_SIZE.
    package mutating func setTableLimit(_ size: Int) {
        limit = min(max(size, 0), Self.largestTable)
        smallest = min(smallest, limit)
        isResized = smallest < table.limit || limit != table.limit
    }

    /// No block of so many fields, whose names and values have so many bytes together, is larger. A status is a field of
    /// no text.
    package static func bound(of textBytes: Int, fields: Int) -> Int {
        // For each field one to three bytes of index and twice up to five of length, before all of them two sizes.
        textBytes + 13 * fields + 8
    }

    /// Begins a block.
    package mutating func begin(_ writer: inout HeadWriter) {
        if isResized { resize(&writer) }
        if let first { expected = first }
        first = nil
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
        var field = HPACKIndex.Field(
            name: bytes + name.lowerBound, nameLength: name.count, value: bytes + value.lowerBound,
            valueLength: value.count)
        if indexing == .incremental || indexing == .name, putExpected(field, indexing, &writer) { return }
        let hash = HPACKBytes.hash(field.name, name.count, seed: 0, folding: HPACKBytes.folding)
        field.nameHash = UInt32(truncatingIfNeeded: hash)
        // What never enters the table need not be looked for in it.
        if indexing == .incremental {
            let both = HPACKBytes.hash(field.value, field.valueLength, seed: hash, folding: 0)
            field.fieldHash = UInt32(truncatingIfNeeded: both)
            let found = index.find(field, in: table)
            if found != 0 {
                met(found)
                return putIndex(HPACKStaticTable.count &+ Int(found), &writer)
            }
        }
        putNew(field, hash, indexing, &writer)
    }

    /// False: the entry that is expected is another one.
    @inline(__always)
    private mutating func putExpected(
        _ field: HPACKIndex.Field, _ indexing: HPACKIndexing, _ writer: inout HeadWriter
    ) -> Bool {
        let age = table.next &- expected
        guard age &- 1 < table.count else { return false }
        let entry = table.entry(age)
        guard Int(entry.nameLength) == field.nameLength else { return false }
        let line = table.base + Int(entry.start)
        if indexing == .incremental {
            guard Int(entry.valueLength) == field.valueLength,
                HPACKBytes.equal(field.value, line + field.nameLength + 2, field.valueLength)
            else { return false }
        }
        guard HPACKBytes.equal(field.name, line, field.nameLength) else { return false }
        met(age)
        let place = HPACKStaticTable.count &+ Int(age)
        if indexing == .incremental {
            putIndex(place, &writer)
        } else {
            writer.put(integer: place, mask: 0x0f, first: 0)
            putPlain(field.value, field.valueLength, &writer)
        }
        return true
    }

    /// The field has been found at this index, or written for the first time: index 0 is the entry that comes next.
    @inline(__always)
    private mutating func met(_ age: UInt32) {
        let number = table.next &- age
        if first == nil { first = number }
        expected = number &+ 1
    }

    @inline(never)
    private mutating func putNew(
        _ field: HPACKIndex.Field, _ hash: UInt64, _ indexing: HPACKIndexing, _ writer: inout HeadWriter
    ) {
        var known = statics.find(field.name, field.nameLength, hash: hash)
        if known != 0 {
            if indexing != .never {
                let found = statics.find(value: field.value, field.valueLength, from: known)
                if found != 0 { return putIndex(found, &writer) }
            }
        } else {
            let found = index.findName(field, in: table)
            if found != 0 {
                if indexing == .name { met(found) }
                known = HPACKStaticTable.count &+ Int(found)
            }
        }
        // A field that the table has no room for would empty it.
        let isWanted = indexing == .incremental || indexing == .name && known == 0
        let isInserted = isWanted && field.nameLength &+ field.valueLength &+ 32 <= table.limit
        if isInserted {
            writer.put(integer: known, mask: 0x3f, first: 0x40)
        } else {
            writer.put(integer: known, mask: 0x0f, first: indexing == .never ? 0x10 : 0)
        }
        if known == 0 { putString(field.name, field.nameLength, asName: true, &writer) }
        if indexing == .incremental {
            putString(field.value, field.valueLength, asName: false, &writer)
        } else {
            putPlain(field.value, field.valueLength, &writer)
        }
        if isInserted {
            met(0)
            index.insert(field, in: &table)
        }
    }

    /// Writes as they are the values that are written each time: a fifth fewer bytes are not worth the work.
    @inline(__always)
    private func putPlain(_ text: UnsafeRawPointer, _ count: Int, _ writer: inout HeadWriter) {
        writer.put(integer: count, mask: 0x7f, first: 0)
        writer.claim(count).copyMemory(from: text, byteCount: count)
    }

    @inline(__always)
    private func putIndex(_ index: Int, _ writer: inout HeadWriter) {
        writer.put(integer: index, mask: 0x7f, first: 0x80)
    }

    /// Encodes behind the memory that the length takes at most: to find the length first would cost half as much again.
    @inline(__always)
    private func putString(_ text: UnsafeRawPointer, _ count: Int, asName: Bool, _ writer: inout HeadWriter) {
        let prefix = HPACKInteger.size(count, mask: 0x7f)
        let memory = writer.room(prefix &+ count)
        let packed = huffman.encode(text, count, asName: asName, to: memory + prefix)
        if packed > 0, prefix == 1 {
            memory.storeBytes(of: 0x80 | UInt8(truncatingIfNeeded: packed), as: UInt8.self)
            _ = writer.claim(packed &+ 1)
            return
        }
        if packed > 0 {
            writer.put(integer: packed, mask: 0x7f, first: 0x80)
            let start = writer.claim(packed)
            if start != memory + prefix { start.copyMemory(from: memory + prefix, byteCount: packed) }
            return
        }
        writer.put(integer: count, mask: 0x7f, first: 0)
        if asName {
            HPACKBytes.copy(name: text, count, to: writer.claim(count))
        } else {
            writer.claim(count).copyMemory(from: text, byteCount: count)
        }
    }
}
