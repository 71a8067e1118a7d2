/// The lines of a head that a Connection field may strip, to be found by name.
///
/// A hostile head lists thirty thousand names beside a hundred lines: each name is looked for once, and each line found once.
struct StrippableLines {
    private struct Entry {
        let hash: UInt64
        let line: Int
        let name: Range<Int>
        /// The next one with the same place in the table.
        var next: Int
    }

    /// Nobody outside can choose names that all have one place.
    private static let seed = UInt64.random(in: .min ... .max)

    private let bytes: UnsafePointer<UInt8>
    private var entries: [Entry] = []
    private var table = [Int](repeating: -1, count: 256)

    init(_ lines: [HeadField], in bytes: UnsafePointer<UInt8>) {
        self.bytes = bytes
        entries.reserveCapacity(lines.count)
        for (index, line) in lines.enumerated() where line.isKept && !line.name.isProtected {
            let name = Int(line.start)..<(Int(line.start) + Int(line.nameLength))
            let hash = Self.hash(bytes, name)
            let place = Self.place(hash)
            entries.append(Entry(hash: hash, line: index, name: name, next: table[place]))
            table[place] = entries.count - 1
        }
    }

    /// Takes out all lines of a name.
    mutating func take(_ name: Range<Int>, _ found: (_ line: Int) -> Void) {
        let hash = Self.hash(bytes, name)
        let place = Self.place(hash)
        var before = -1
        var at = table[place]
        while at >= 0 {
            let entry = entries[at]
            if entry.hash == hash, isSame(entry.name, name) {
                found(entry.line)
                if before < 0 { table[place] = entry.next } else { entries[before].next = entry.next }
            } else {
                before = at
            }
            at = entry.next
        }
    }

    private func isSame(_ left: Range<Int>, _ right: Range<Int>) -> Bool {
        guard left.count == right.count else { return false }
        for offset in 0..<left.count
        where lowercase(bytes[left.lowerBound + offset]) != lowercase(bytes[right.lowerBound + offset]) {
            return false
        }
        return true
    }

    /// FNV-1a, of the name in lower case.
    private static func hash(_ bytes: UnsafePointer<UInt8>, _ name: Range<Int>) -> UInt64 {
        var hash = seed
        for index in name { hash = (hash ^ UInt64(lowercase(bytes[index]))) &* 0x100_0000_01b3 }
        return hash
    }

    /// Its upper bits hardly know of short names.
    private static func place(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: ((hash ^ hash >> 32) &* 0x9e37_79b9_7f4a_7c15) >> 56)
    }
}
