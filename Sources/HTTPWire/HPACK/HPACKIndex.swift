/// Finds entries of an encoder's table: the newest one of each hash, and from each entry the one before it.
///
/// Names stand in the table as they came, in any case: one who spells a name in two ways has it twice.
///
/// What has left the table is left in here. Whoever follows the numbers stops at the first one that is no older than the
/// one before or has left the table, so that neither stale nor repeated numbers matter.
struct HPACKIndex: ~Copyable {
    private static let places = 64
    private let names = UnsafeMutablePointer<UInt32>.allocate(capacity: 2 * HPACKIndex.places)
    private let fields: UnsafeMutablePointer<UInt32>

    init() {
        names.initialize(repeating: 0, count: 2 * HPACKIndex.places)
        fields = names + HPACKIndex.places
    }

    deinit { names.deallocate() }

    /// The index of the newest entry with the name and the value; 0 when there is none.
    @inline(__always)
    func find(_ field: Field, in table: borrowing HPACKDynamicTable) -> UInt32 {
        var number = fields[Self.place(field.fieldHash)]
        var age: UInt32 = 0
        while true {
            let older = table.next &- number
            guard older > age, older <= table.count else { return 0 }
            age = older
            let entry = table.entry(age)
            if entry.fieldHash == field.fieldHash, Int(entry.nameLength) == field.nameLength,
                Int(entry.valueLength) == field.valueLength
            {
                let line = table.base + Int(entry.start)
                if HPACKBytes.equal(field.value, line + field.nameLength + 2, field.valueLength),
                    HPACKBytes.equal(field.name, line, field.nameLength)
                {
                    return age
                }
            }
            number = entry.olderField
        }
    }

    /// The index of the newest entry with the name; 0 when there is none.
    @inline(__always)
    func findName(_ field: Field, in table: borrowing HPACKDynamicTable) -> UInt32 {
        var number = names[Self.place(field.nameHash)]
        var age: UInt32 = 0
        while true {
            let older = table.next &- number
            guard older > age, older <= table.count else { return 0 }
            age = older
            let entry = table.entry(age)
            if entry.nameHash == field.nameHash, Int(entry.nameLength) == field.nameLength,
                HPACKBytes.equal(field.name, table.base + Int(entry.start), field.nameLength)
            {
                return age
            }
            number = entry.olderName
        }
    }

    /// Adds the field to the table.
    @inline(never)
    func insert(_ field: Field, in table: inout HPACKDynamicTable) {
        let line = table.room(field.nameLength &+ field.valueLength &+ 4)
        line.copyMemory(from: field.name, byteCount: field.nameLength)
        let colon = line + field.nameLength
        colon.storeBytes(of: UInt16(0x203a).littleEndian, as: UInt16.self)
        (colon + 2).copyMemory(from: field.value, byteCount: field.valueLength)
        let name = names + Self.place(field.nameHash)
        let same = fields + Self.place(field.fieldHash)
        let number = table.next
        table.insert(
            HPACKDynamicTable.Entry(
                nameLength: UInt32(truncatingIfNeeded: field.nameLength),
                valueLength: UInt32(truncatingIfNeeded: field.valueLength), nameHash: field.nameHash,
                fieldHash: field.fieldHash, olderName: name.pointee, olderField: same.pointee))
        name.pointee = number
        same.pointee = number
    }

    @inline(__always)
    private static func place(_ hash: UInt32) -> Int { Int(hash) & (places - 1) }

    /// What is looked for.
    struct Field {
        let name: UnsafeRawPointer
        let nameLength: Int
        let value: UnsafeRawPointer
        let valueLength: Int
        var nameHash: UInt32 = 0
        /// Not needed where only a name is looked for.
        var fieldHash: UInt32 = 0
    }
}
