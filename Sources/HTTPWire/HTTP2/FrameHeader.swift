/// The nine bytes before each frame (RFC 9113 4.1).
package struct FrameHeader: Sendable, Equatable {
    package enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let priority: UInt8 = 2
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let pushPromise: UInt8 = 5
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }

    package enum Flag {
        static let endStream: UInt8 = 1
        static let acknowledges: UInt8 = 1
        static let endHeaders: UInt8 = 4
        static let padded: UInt8 = 8
        static let priority: UInt8 = 32
    }

    package static let size = 9
    /// The largest payload that either side may send, unless it was told otherwise; nobody is told so here.
    package static let largest = 16_384

    let length: Int
    let kind: UInt8
    let flags: UInt8
    let stream: UInt32

    init(length: Int, kind: UInt8, flags: UInt8, stream: UInt32) {
        (self.length, self.kind, self.flags, self.stream) = (length, kind, flags, stream)
    }

    /// Nine bytes have to be there from `at` on.
    init(_ bytes: UnsafeRawBufferPointer, at: Int) {
        length = Int(bytes[at]) << 16 | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
        kind = bytes[at + 3]
        flags = bytes[at + 4]
        stream = Self.number(bytes, at + 5) & 0x7fff_ffff
    }

    func has(_ flag: UInt8) -> Bool { flags & flag != 0 }

    static func number(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt32 {
        UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8 | UInt32(bytes[at + 3])
    }

    func store(to memory: UnsafeMutableRawPointer) {
        memory.storeBytes(of: (UInt32(length) << 8 | UInt32(kind)).bigEndian, as: UInt32.self)
        memory.storeBytes(of: flags, toByteOffset: 4, as: UInt8.self)
        memory.storeBytes(of: stream.bigEndian, toByteOffset: 5, as: UInt32.self)
    }
}

extension WireBuffer {
    mutating func append(_ header: FrameHeader) {
        withUnsafeTemporaryAllocation(byteCount: FrameHeader.size, alignment: 4) { memory in
            guard let base = memory.baseAddress else { return }
            header.store(to: base)
            append(UnsafeRawBufferPointer(memory))
        }
    }

    /// A number as frames hold it.
    mutating func append(_ number: UInt32) {
        withUnsafeBytes(of: number.bigEndian) { append($0) }
    }

    /// A frame whose payload is one number.
    mutating func append(kind: UInt8, stream: UInt32, _ number: UInt32) {
        append(FrameHeader(length: 4, kind: kind, flags: 0, stream: stream))
        append(number)
    }
}
