import NIOCore
import NIOHPACK
import NIOPosix

/// A frame as it stands on the wire.
struct RawFrame {
    var type: UInt8
    var flags: UInt8 = 0
    var stream: UInt32 = 0
    var payload: [UInt8] = []

    static let endStream: UInt8 = 1
    static let endHeaders: UInt8 = 4

    var bytes: [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
            + Self.four(stream)
            + payload
    }

    static func four(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(number >> (24 - 8 * $0) & 255) } }

    static func settings(_ values: [(UInt16, UInt32)] = []) -> RawFrame {
        RawFrame(type: 4, payload: values.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + four($0.1) })
    }

    static let settingsAck = RawFrame(type: 4, flags: 1)

    /// Fields as literals that enter no table, so that any bytes can be said.
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0] + string(Array($0.0.utf8)) + string(Array($0.1.utf8)) }
    }

    private static func string(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.count < 127 { return [UInt8(bytes.count)] + bytes }
        var rest = bytes.count - 127
        var length: [UInt8] = [127]
        while rest >= 128 {
            length.append(UInt8(rest % 128) | 128)
            rest /= 128
        }
        return length + [UInt8(rest)] + bytes
    }

    static func headers(
        _ fields: [(String, String)], stream: UInt32 = 1, flags: UInt8 = endStream | endHeaders
    ) -> RawFrame {
        RawFrame(type: 1, flags: flags, stream: stream, payload: block(fields))
    }

    static func continuation(_ fields: [(String, String)], stream: UInt32 = 1, flags: UInt8 = 0) -> RawFrame {
        RawFrame(type: 9, flags: flags, stream: stream, payload: block(fields))
    }

    static func data(_ text: String, stream: UInt32 = 1, ends: Bool = true) -> RawFrame {
        RawFrame(type: 0, flags: ends ? endStream : 0, stream: stream, payload: Array(text.utf8))
    }

    static func reset(stream: UInt32 = 1, code: UInt32 = 8) -> RawFrame {
        RawFrame(type: 3, stream: stream, payload: four(code))
    }

    static func ping(_ byte: UInt8 = 0) -> RawFrame {
        RawFrame(type: 6, payload: Array(repeating: byte, count: 8))
    }

    static func windowUpdate(stream: UInt32, by increment: UInt32) -> RawFrame {
        RawFrame(type: 8, stream: stream, payload: four(increment))
    }

    static func goAway(_ code: UInt32 = 0) -> RawFrame { RawFrame(type: 7, payload: four(0) + four(code)) }
}

/// What a stream brought, and how it ended.
struct StreamResult: Sendable {
    var heads: [[(name: String, value: String)]] = []
    var body: [UInt8] = []
    var ended = false
    var reset: UInt32?

    var text: String { String(decoding: body, as: UTF8.self) }
    /// Of the final head.
    var status: Int? { heads.compactMap { head in head.first { $0.name == ":status" }.flatMap { Int($0.value) } }.last }

    func field(_ name: String) -> String? { heads.flatMap { $0 }.last { $0.name == name }?.value }
}

/// A client of HTTP/2 that says exactly the frames it is told to.
final class FrameClient {
    let raw: RawClient
    private var decoder = NIOHPACK.HPACKDecoder(allocator: ByteBufferAllocator())
    private(set) var streams: [UInt32: StreamResult] = [:]
    /// The error code of the last GOAWAY, with the last stream it names.
    private(set) var goodbye: (code: UInt32, lastStream: UInt32)?
    private(set) var settings: [UInt16: UInt32] = [:]
    private(set) var pongs = 0
    private(set) var windowUpdates: [UInt32: Int] = [:]
    private(set) var isClosed = false
    private var block: [UInt8] = []
    var acknowledges = true

    static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    init(_ raw: RawClient) {
        self.raw = raw
    }

    /// Preface and SETTINGS are sent.
    static func connect(
        _ port: Int, on group: any EventLoopGroup, settings: [(UInt16, UInt32)] = []
    ) async throws -> FrameClient {
        let client = FrameClient(try await RawClient.connect(port, on: group))
        try await client.raw.send(preface)
        try await client.send(.settings(settings))
        return client
    }

    func send(_ frames: RawFrame...) async throws { try await send(frames) }

    func send(_ frames: [RawFrame]) async throws {
        var bytes = ByteBuffer()
        for frame in frames { bytes.writeBytes(frame.bytes) }
        try await raw.send(bytes)
    }

    /// Reads one frame and notes what it says. False at the end of the connection.
    @discardableResult
    func readFrame() async throws -> Bool {
        guard let header = try await raw.bytes(9) else {
            isClosed = true
            return false
        }
        let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
        let stream = Self.number(header[5...]) & 0x7fff_ffff
        guard let payload = try await raw.bytes(length) else {
            isClosed = true
            return false
        }
        let ends = header[4] & RawFrame.endStream != 0
        switch header[3] {
        case 0:
            streams[stream, default: StreamResult()].body += payload
            if ends { streams[stream]?.ended = true }
        case 1, 9:
            block += payload
            if header[3] == 1, ends { streams[stream, default: StreamResult()].ended = true }
            if header[4] & RawFrame.endHeaders != 0 {
                var buffer = ByteBuffer(bytes: block)
                block = []
                let fields = try decoder.decodeHeaders(from: &buffer)
                streams[stream, default: StreamResult()].heads.append(fields.map { ($0.name, $0.value) })
            }
        case 3: streams[stream, default: StreamResult()].reset = Self.number(payload[...])
        case 4 where header[4] & 1 == 0:
            for at in stride(from: 0, to: payload.count, by: 6) {
                settings[UInt16(payload[at]) << 8 | UInt16(payload[at + 1])] = Self.number(payload[(at + 2)...])
            }
            if acknowledges { try await send(.settingsAck) }
        case 6:
            if header[4] & 1 != 0 {
                pongs += 1
            } else if acknowledges {
                try await send(RawFrame(type: 6, flags: 1, payload: payload))
            }
        case 7: goodbye = (Self.number(payload[4...]), Self.number(payload[...]) & 0x7fff_ffff)
        case 8: windowUpdates[stream, default: 0] += Int(Self.number(payload[...]))
        default: break
        }
        return true
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Reads until the stream has ended, whichever way.
    func result(of stream: UInt32 = 1) async throws -> StreamResult {
        while true {
            if let result = streams[stream], result.ended || result.reset != nil { return result }
            guard try await readFrame() else { return streams[stream] ?? StreamResult() }
        }
    }

    /// Reads until the connection is over.
    func readAll() async throws { while try await readFrame() {} }

    func read(until condition: (FrameClient) -> Bool) async throws {
        while !condition(self) { guard try await readFrame() else { return } }
    }
}

/// A request's pseudo-header fields, and these.
func h2(
    _ method: String = "GET", _ path: String = "/", _ fields: [(String, String)] = [], authority: String? = "app"
) -> [(String, String)] {
    [(":method", method), (":scheme", "http"), (":path", path)] + (authority.map { [(":authority", $0)] } ?? [])
        + fields
}
