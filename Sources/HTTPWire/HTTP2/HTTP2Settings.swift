/// What the two ends of a connection told each other (RFC 9113 6.5.2).
package struct HTTP2Settings: Sendable, Equatable {
    /// Streams that the client may have open at once.
    package var streams = 100
    /// Bytes of all request bodies that may be on the wire at once.
    package static let connectionWindow: Int32 = 1 << 20
    /// Messages of one connection that break a rule within half a minute, before it ends.
    package static let mostMalformed = 200

    package init() {}

    enum Key {
        static let tableSize: UInt16 = 1
        static let enablePush: UInt16 = 2
        static let streams: UInt16 = 3
        static let initialWindow: UInt16 = 4
        static let frameSize: UInt16 = 5
        static let listSize: UInt16 = 6
    }

    /// This side's first frames: its settings, and a window that a single stream does not fill.
    func write(to out: inout WireBuffer) {
        let values: [(UInt16, UInt32)] = [
            (Key.streams, UInt32(clamping: streams)), (Key.initialWindow, UInt32(FlowWindow.initial)),
            (Key.listSize, UInt32(RequestBlockReader.listLimit)),
        ]
        out.append(FrameHeader(length: 6 * values.count, kind: FrameHeader.Kind.settings, flags: 0, stream: 0))
        for (key, value) in values {
            withUnsafeBytes(of: key.bigEndian) { out.append($0) }
            out.append(value)
        }
        let more = UInt32(Self.connectionWindow - FlowWindow.initial)
        out.append(kind: FrameHeader.Kind.windowUpdate, stream: 0, more)
    }
}

/// The client's settings, as far as they bind this side.
struct ClientSettings: Sendable, Equatable {
    private(set) var tableSize = 4096
    /// The least that the last frame said in passing.
    private(set) var leastTable = 4096
    private(set) var window = FlowWindow.initial

    /// Reads a SETTINGS frame. What is not known is ignored.
    mutating func read(_ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>) throws(HTTP2Error) {
        leastTable = tableSize
        for at in stride(from: payload.lowerBound, to: payload.upperBound, by: 6) {
            let key = UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])
            let value = FrameHeader.number(bytes, at + 2)
            switch key {
            case HTTP2Settings.Key.tableSize:
                tableSize = Int(value)
                leastTable = min(leastTable, tableSize)
            case HTTP2Settings.Key.enablePush: if value > 1 { throw HTTP2Error(.protocolError) }
            case HTTP2Settings.Key.initialWindow:
                guard value <= UInt32(Int32.max) else { throw HTTP2Error(.flowControl) }
                window = Int32(value)
            case HTTP2Settings.Key.frameSize:
                guard (16_384...16_777_215).contains(value) else { throw HTTP2Error(.protocolError) }
            default: break
            }
        }
    }
}
