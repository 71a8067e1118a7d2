/// RFC 7541, appendix A. Its entries begin at index 1.
struct HPACKStaticTable {
    static var count: Int { 61 }

    /// Made once; whoever reads or writes heads keeps it, as finding a global costs more than what is looked up.
    static let shared = HPACKStaticTable()

    /// A field's place in `text`, where it stands as `name: value` with a line end.
    struct Line {
        var start = 0
        var nameLength = 0
        var valueLength = 0
        /// Whether the next entry has the same name.
        var isRepeated = false
    }

    /// A literal has an address of its own, which costs nothing to find.
    static var text: StaticString {
        """
        :authority: \r\n:method: GET\r\n:method: POST\r\n:path: /\r\n:path: /index.html\r\n:scheme: http\r\n\
        :scheme: https\r\n:status: 200\r\n:status: 204\r\n:status: 206\r\n:status: 304\r\n:status: 400\r\n\
        :status: 404\r\n:status: 500\r\naccept-charset: \r\naccept-encoding: gzip, deflate\r\n\
        accept-language: \r\naccept-ranges: \r\naccept: \r\naccess-control-allow-origin: \r\nage: \r\nallow: \r\n\
        authorization: \r\ncache-control: \r\ncontent-disposition: \r\ncontent-encoding: \r\n\
        content-language: \r\ncontent-length: \r\ncontent-location: \r\ncontent-range: \r\ncontent-type: \r\n\
        cookie: \r\ndate: \r\netag: \r\nexpect: \r\nexpires: \r\nfrom: \r\nhost: \r\nif-match: \r\n\
        if-modified-since: \r\nif-none-match: \r\nif-range: \r\nif-unmodified-since: \r\nlast-modified: \r\n\
        link: \r\nlocation: \r\nmax-forwards: \r\nproxy-authenticate: \r\nproxy-authorization: \r\nrange: \r\n\
        referer: \r\nrefresh: \r\nretry-after: \r\nserver: \r\nset-cookie: \r\n\
        strict-transport-security: \r\ntransfer-encoding: \r\nuser-agent: \r\nvary: \r\nvia: \r\n\
        www-authenticate: \r\n
        """
    }

    @inline(__always)
    static var base: UnsafeRawPointer { UnsafeRawPointer(text.utf8Start) }

    let lines: [Line]
    /// The first entry of each name, at its hash or behind it; 0 is a free place.
    private let places: [UInt8]

    private init() {
        var lines = [Line()]
        var start = 0
        let bytes = UnsafeBufferPointer(start: Self.text.utf8Start, count: Self.text.utf8CodeUnitCount)
        for at in bytes.indices where bytes[at] == Octet.lineFeed {
            // A name may begin with a colon.
            let colon = (start + 1..<at).first { bytes[$0] == Octet.colon } ?? at
            let line = Line(start: start, nameLength: colon - start, valueLength: at - 1 - (colon + 2))
            let last = lines[lines.count - 1]
            lines[lines.count - 1].isRepeated = Self.isNamed(last, Self.base + start, line.nameLength)
            lines.append(line)
            start = at + 1
        }

        var places = [UInt8](repeating: 0, count: 256)
        for index in 1...Self.count {
            let line = lines[index]
            let name = Self.base + line.start
            let hash = HPACKBytes.hash(name, line.nameLength, seed: 0, folding: HPACKBytes.folding)
            var place = Int(hash & 255)
            while places[place] != 0, !Self.isNamed(lines[Int(places[place])], name, line.nameLength) {
                place = (place + 1) & 255
            }
            if places[place] == 0 { places[place] = UInt8(index) }
        }
        self.lines = lines
        self.places = places
    }

    /// The first entry of a name in any case, 0 when there is none.
    @inline(__always)
    func find(_ name: UnsafeRawPointer, _ count: Int, hash: UInt64) -> Int {
        var place = Int(hash & 255)
        while true {
            let index = Int(places[place])
            if index == 0 || Self.isNamed(lines[index], name, count) { return index }
            place = (place &+ 1) & 255
        }
    }

    /// The entry with this value among those that have the name of `first`, 0 when there is none.
    @inline(__always)
    func find(value: UnsafeRawPointer, _ count: Int, from first: Int) -> Int {
        var index = first
        while true {
            let line = lines[index]
            let start = Self.base + line.start + line.nameLength + 2
            if line.valueLength == count, HPACKBytes.equal(start, value, count) { return index }
            if !line.isRepeated { return 0 }
            index &+= 1
        }
    }

    @inline(__always)
    private static func isNamed(_ line: Line, _ name: UnsafeRawPointer, _ count: Int) -> Bool {
        line.nameLength == count && HPACKBytes.equal(name: name, Self.base + line.start, count)
    }
}
