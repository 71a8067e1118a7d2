import HTTPWire
import NIOCore
import NIOEmbedded
import NIOHTTP1

/// A message as llhttp understands it, by way of NIO's decoders.
struct SecondOpinion: Equatable {
    var start = ""
    var fields: [String] = []
    var body: [UInt8] = []
    var trailers: [String] = []

    static func == (left: Self, right: Self) -> Bool {
        left.start == right.start && left.body == right.body && left.trailers == right.trailers
            && left.fields == right.fields
    }

    func values(_ name: String) -> [Substring] {
        fields.filter { $0.lowercased().hasPrefix("\(name): ") }.map { $0.dropFirst(name.count + 2) }
    }

    /// The requests in `bytes`. Nil when llhttp refuses any of it, or when the last one is not whole.
    static func requests(_ bytes: [UInt8]) -> [SecondOpinion]? {
        let channel = EmbeddedChannel(handler: ByteToMessageHandler(HTTPRequestDecoder()))
        var found: [SecondOpinion] = []
        var isWhole = true
        return read(bytes, channel) { (part: HTTPServerRequestPart) in
            switch part {
            case .head(let head):
                found.append(
                    SecondOpinion(start: "\(head.method.rawValue) \(head.uri)", fields: lines(head.headers)))
                isWhole = false
            case .body(let data): found[found.count - 1].body += data.readableBytesView
            case .end(let trailers):
                found[found.count - 1].trailers = lines(trailers ?? [:])
                isWhole = true
            }
        } ? (isWhole ? found : nil) : nil
    }

    /// The final responses in `bytes`, to one request. Nil when llhttp refuses any of it, or when one is not whole.
    static func responses(_ bytes: [UInt8], isHead: Bool) -> [SecondOpinion]? {
        let channel = EmbeddedChannel(handler: ByteToMessageHandler(HTTPResponseDecoder()))
        let request = HTTPRequestHead(version: .http1_1, method: isHead ? .HEAD : .GET, uri: "/")
        // Tells the decoder what the response answers; an embedded channel takes every write.
        guard (try? channel.writeOutbound(HTTPClientRequestPart.head(request))) != nil,
            (try? channel.writeOutbound(HTTPClientRequestPart.end(nil))) != nil
        else { return nil }
        var found: [SecondOpinion] = []
        var isWhole = true
        return read(bytes, channel) { (part: HTTPClientResponsePart) in
            switch part {
            case .head(let head):
                found.append(SecondOpinion(start: "\(head.status.code)", fields: lines(head.headers)))
                isWhole = false
            case .body(let data): found[found.count - 1].body += data.readableBytesView
            case .end(let trailers):
                found[found.count - 1].trailers = lines(trailers ?? [:])
                isWhole = true
            }
        } ? (isWhole ? found : nil) : nil
    }

    private static func lines(_ headers: HTTPHeaders) -> [String] { headers.map { "\($0.name): \($0.value)" } }

    /// False when the decoder reports an error.
    private static func read<Part>(_ bytes: [UInt8], _ channel: EmbeddedChannel, _ take: (Part) -> Void) -> Bool {
        var isGood = true
        do {
            try channel.writeInbound(ByteBuffer(bytes: bytes))
        } catch {
            isGood = false
        }
        while let part = try? channel.readInbound(as: Part.self) { take(part) }
        // Whatever the end of the connection brings is another question.
        _ = try? channel.finish(acceptAlreadyClosed: true)
        return isGood
    }
}
