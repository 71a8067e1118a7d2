import SystemPackage

/// Where the members of an uncompressed tar archive are, without reading their content.
///
/// Saved images are tars of a few large members: knowing the offsets lets each layer be read in place.
struct TarIndex {
    enum Member: Equatable {
        case file(offset: UInt64, size: UInt64)
        /// A symbolic or hard link: old engines store a layer that occurs twice as a link.
        case link(target: String, isSymbolic: Bool)
    }

    private(set) var members: [String: Member] = [:]

    /// More members than any saved image has mean that the file is something else.
    private static let memberLimit = 20_000
    private static let extensionLimit: UInt64 = 1 << 20

    init(_ file: ImageFile) throws(ImageError) {
        let subject = file.path.string
        var offset: UInt64 = 0
        var longName: String?
        var longTarget: String?
        var extended = PAXRecords()
        while offset + 512 <= file.size {
            let block = try TarIndex.read(file, offset, 512)
            if block.allSatisfy({ $0 == 0 }) { break }
            guard let header = TarHeader(block) else {
                throw .badData(subject: subject, reason: "the tar header at byte \(offset) is damaged")
            }
            let size = extended.size ?? header.size
            let content = offset + 512
            guard size <= file.size, content + size <= file.size else {
                throw .badData(subject: subject, reason: "it is cut short: a member goes past the end of the file")
            }
            switch header.type {
            case "x", "L", "K":
                guard size <= TarIndex.extensionLimit else {
                    throw .badData(subject: subject, reason: "a tar header of \(size) bytes is not sensible")
                }
                let bytes = try TarIndex.read(file, content, Int(size))
                if header.type == "x" { extended = PAXRecords(bytes) }
                if header.type == "L" { longName = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
                if header.type == "K" { longTarget = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
            case "g":
                break
            default:
                let name = extended.path ?? longName ?? header.name
                let target = extended.target ?? longTarget ?? header.target
                let key = TarIndex.normalise(name)
                switch header.type {
                case "0", "\0", "7": members[key] = .file(offset: content, size: size)
                case "1": members[key] = .link(target: target, isSymbolic: false)
                case "2": members[key] = .link(target: target, isSymbolic: true)
                default: break  // folders and whatever else is no content of an image
                }
                guard members.count <= TarIndex.memberLimit else {
                    throw .badData(subject: subject, reason: "it has more members than a saved image can have")
                }
                (longName, longTarget, extended) = (nil, nil, PAXRecords())
            }
            offset = content + (size + 511) / 512 * 512
        }
        if members.isEmpty { throw .badData(subject: subject, reason: "it is an empty archive") }
    }

    /// The file behind `name`, through the links of the archive itself.
    func locate(_ name: String) -> (offset: UInt64, size: UInt64)? {
        var name = TarIndex.normalise(name)
        for _ in 0..<16 {
            switch members[name] {
            case .file(let offset, let size): return (offset, size)
            case .link(let target, let isSymbolic):
                guard let next = TarIndex.resolve(target, from: isSymbolic ? name : "") else { return nil }
                name = next
            case nil: return nil
            }
        }
        return nil
    }

    /// `target` seen from the folder of `name`; nil when it leaves the archive.
    static func resolve(_ target: String, from name: String) -> String? {
        var parts = name.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") where part != "." {
            if part == ".." {
                if parts.popLast() == nil { return nil }
            } else {
                parts.append(String(part))
            }
        }
        return parts.joined(separator: "/")
    }

    private static func normalise(_ name: String) -> String {
        name.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    private static func read(_ file: ImageFile, _ offset: UInt64, _ count: Int) throws(ImageError) -> [UInt8] {
        try Blob.range(file, offset: offset, size: UInt64(count)).bytes(limit: count, subject: file.path.string)
    }
}
