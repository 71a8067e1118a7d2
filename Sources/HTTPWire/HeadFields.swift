/// One field line of a head, as offsets into the head's bytes.
package struct HeadField: Sendable {
    /// The line with its CRLF.
    var start: UInt32
    var end: UInt32
    var nameLength: UInt32
    var valueStart: UInt32
    /// The value ends here, without trailing white space.
    var valueEnd: UInt32
    package var name: FieldName
    /// Goes to the other side unchanged.
    var isKept: Bool
}

/// The field lines of one head. Reused from head to head, so that parsing allocates nothing.
package struct HeadFields: Sendable {
    package var lines: [HeadField] = []

    package init() {
        lines.reserveCapacity(32)
    }

    mutating func clear() {
        lines.removeAll(keepingCapacity: true)
    }

    /// Where the values of a name stand that go on to the machine, in order.
    package func values(of name: FieldName) -> [Range<Int>] {
        lines.filter { $0.name == name && $0.isKept }.map { Int($0.valueStart)..<Int($0.valueEnd) }
    }

    /// Drops the lines that a Connection field lists, except those that cannot be stripped.
    mutating func dropListed(in bytes: UnsafePointer<UInt8>) {
        var strippable = StrippableLines(lines, in: bytes)
        for line in lines where line.name == .connection {
            var list = ListCursor(bytes, Int(line.valueStart), Int(line.valueEnd))
            while let element = list.next() { strippable.take(element) { lines[$0].isKept = false } }
        }
    }

    /// Drops every line of a name.
    mutating func drop(_ name: FieldName) {
        for index in lines.indices where lines[index].name == name { lines[index].isKept = false }
    }
}

/// ASCII only; other bytes are returned as they are.
@inline(__always)
func lowercase(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
}

/// The elements of a comma-separated field value, without white space around them; empty ones are given as well.
struct ListCursor {
    private let bytes: UnsafePointer<UInt8>
    private var at: Int
    private let end: Int

    init(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) {
        self.bytes = bytes
        at = start
        self.end = end
    }

    mutating func next() -> Range<Int>? {
        guard at <= end else { return nil }
        var low = at
        while at < end, bytes[at] != Octet.comma { at += 1 }
        var high = at
        at += 1
        while low < high, bytes[low] == Octet.space || bytes[low] == Octet.tab { low += 1 }
        while high > low, bytes[high - 1] == Octet.space || bytes[high - 1] == Octet.tab { high -= 1 }
        return low..<high
    }

    func matches(_ range: Range<Int>, _ text: StaticString) -> Bool {
        HTTPWire.matches(bytes, range, text)
    }
}

/// Whether the bytes are `text`, which is in lower case, in any case.
func matches(_ bytes: UnsafePointer<UInt8>, _ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<range.count where lowercase(bytes[range.lowerBound + index]) != text.utf8Start[index] {
        return false
    }
    return true
}

extension HeadFields {
    /// Takes the storage of `shared`, which is empty until it is given back: two owners would mean a copy.
    package init(borrowing shared: inout HeadFields) {
        lines = shared.lines
        shared.lines = []
    }

    package consuming func giveBack(to shared: inout HeadFields) {
        shared.lines = lines
    }
}
