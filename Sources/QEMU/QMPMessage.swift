import FoundationEssentials

/// One line of the QEMU Machine Protocol.
enum QMPMessage: Equatable {
    case greeting(version: String)
    /// The whole line, for the caller who knows what `return` holds.
    case answer(id: Int, line: [UInt8])
    case failure(id: Int?, description: String)
    case event(String)

    /// Throws a sentence when the line is not of the protocol.
    static func parse(_ line: [UInt8]) throws(QMPError) -> QMPMessage {
        let head: Head
        do {
            head = try JSONDecoder().decode(Head.self, from: Data(line))
        } catch {
            throw .undecodable(String(decoding: line.prefix(200), as: UTF8.self))
        }
        if let greeting = head.QMP {
            let version = greeting.version.qemu
            return .greeting(version: "\(version.major).\(version.minor).\(version.micro)")
        }
        if let event = head.event { return .event(event) }
        if let failure = head.error { return .failure(id: head.id, description: failure.desc) }
        if let id = head.id { return .answer(id: id, line: line) }
        throw .undecodable(String(decoding: line.prefix(200), as: UTF8.self))
    }

    private struct Head: Decodable {
        struct Greeting: Decodable {
            struct Version: Decodable {
                struct Numbers: Decodable {
                    let major: Int
                    let minor: Int
                    let micro: Int
                }
                let qemu: Numbers
            }
            let version: Version
        }
        struct Failure: Decodable { let desc: String }

        let QMP: Greeting?
        let event: String?
        let error: Failure?
        let id: Int?
    }
}

/// Why a QMP exchange failed.
enum QMPError: Error, Equatable {
    case closed
    case timedOut
    case tooLong
    case undecodable(String)
    case refused(String)
    case transport(String)
}

/// A command as it goes over the wire.
struct QMPCommand: Sendable, Hashable {
    let name: String
    /// A JSON object, or nil.
    let arguments: String?

    init(_ name: String, arguments: String? = nil) {
        self.name = name
        self.arguments = arguments
    }

    func line(id: Int) -> String {
        let arguments = arguments.map { #","arguments":\#($0)"# } ?? ""
        return #"{"execute":"\#(name)"\#(arguments),"id":\#(id)}"# + "\n"
    }
}

/// Cuts a byte stream into lines of bounded length.
struct QMPLines {
    private var pending: [UInt8] = []
    private let limit: Int

    init(limit: Int = 1 << 20) {
        self.limit = limit
    }

    /// Returns the lines that `bytes` complete, without their ends and without empty ones.
    mutating func append(_ bytes: some Sequence<UInt8>) throws(QMPError) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                if pending.last == UInt8(ascii: "\r") { pending.removeLast() }
                if !pending.isEmpty { lines.append(pending) }
                pending = []
            } else {
                guard pending.count < limit else { throw .tooLong }
                pending.append(byte)
            }
        }
        return lines
    }
}
