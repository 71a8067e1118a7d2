/// Finds the data of a body in the bytes of a connection, and its end.
package struct BodyDecoder: Sendable {
    /// What the bytes from the given place on are.
    package enum Step: Sendable, Equatable {
        /// Body data.
        case data(Range<Int>)
        /// Nothing more to be told until further bytes are there; those from the given place on must be shown again.
        case needsMore
        /// The body is over; the fields hold its trailer lines, if it had any.
        case complete
    }

    /// Bytes of chunk extensions in one body, and of a trailer section.
    static let overheadLimit = 16 * 1024

    private enum State: Sendable {
        case length, untilClose, done
        case sizeStart, size, extensions, sizeLineFeed
        case chunk, dataReturn, dataLineFeed, trailers
    }

    private var state: State
    private var remaining: UInt64 = 0
    private var overhead = 0
    private var digits = 0
    private let unwanted: UInt8

    /// `isRequest`: of its trailers those do not go on that would not as fields of its head.
    package init(_ framing: BodyFraming, isRequest: Bool = false) {
        unwanted = isRequest ? FieldReader.ofRequests : FieldReader.ofResponses
        switch framing {
        case .none: state = .done
        case .length(let length):
            state = length == 0 ? .done : .length
            remaining = length
        case .chunked: state = .sizeStart
        case .untilClose: state = .untilClose
        }
    }

    package var isComplete: Bool { if case .done = state { true } else { false } }
    /// The end of the connection is the end of the body.
    package var endsWithClose: Bool { if case .untilClose = state { true } else { false } }

    /// The next piece of the body, from `at` on, which moves past what has been understood.
    package mutating func next(
        _ bytes: UnsafeRawBufferPointer, _ at: inout Int, _ fields: inout HeadFields
    ) throws(WireError) -> Step {
        while true {
            switch state {
            case .done: return .complete
            case .length, .chunk:
                guard at < bytes.count else { return .needsMore }
                let take = min(UInt64(bytes.count - at), remaining)
                remaining -= take
                let start = at
                at += Int(take)
                if remaining == 0 {
                    if case .length = state {
                        state = .done
                        fields.clear()
                    } else {
                        state = .dataReturn
                    }
                }
                return .data(start..<at)
            case .untilClose:
                guard at < bytes.count else { return .needsMore }
                let start = at
                at = bytes.count
                return .data(start..<at)
            case .trailers:
                guard try trailers(bytes, &at, &fields) else { return .needsMore }
                state = .done
                return .complete
            default:
                guard at < bytes.count else { return .needsMore }
                try frame(bytes[at])
                at += 1
            }
        }
    }

    /// One byte of chunk framing.
    private mutating func frame(_ byte: UInt8) throws(WireError) {
        switch state {
        case .sizeStart:
            remaining = 0
            digits = 0
            guard let digit = Self.hexDigit(byte) else { throw .malformedChunk }
            state = .size
            try add(digit)
        case .size:
            if let digit = Self.hexDigit(byte) { return try add(digit) }
            switch byte {
            case Octet.semicolon: state = .extensions
            case Octet.carriageReturn: state = .sizeLineFeed
            case Octet.lineFeed: throw .bareLineFeed
            default: throw .malformedChunk
            }
        case .extensions:
            overhead += 1
            if overhead > Self.overheadLimit { throw .chunkOverhead }
            if byte == Octet.carriageReturn {
                state = .sizeLineFeed
            } else if ByteClass.table[Int(byte)] & ByteClass.value == 0 {
                throw byte == Octet.lineFeed ? .bareLineFeed : .malformedChunk
            }
        case .sizeLineFeed:
            if byte != Octet.lineFeed { throw .bareCarriageReturn }
            state = remaining == 0 ? .trailers : .chunk
        case .dataReturn:
            if byte != Octet.carriageReturn { throw .malformedChunk }
            state = .dataLineFeed
        case .dataLineFeed:
            if byte != Octet.lineFeed { throw .malformedChunk }
            state = .sizeStart
        default: preconditionFailure("body data is not chunk framing")
        }
    }

    private mutating func add(_ digit: UInt8) throws(WireError) {
        digits += 1
        // Sixteen digits is the longest number that fits, and leading zeros need not be endless.
        guard digits <= 16, remaining < 1 << 59 else { throw .malformedChunk }
        remaining = remaining << 4 | UInt64(digit)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// Reads the trailer section once it is whole.
    private func trailers(
        _ bytes: UnsafeRawBufferPointer, _ at: inout Int, _ fields: inout HeadFields
    ) throws(WireError) -> Bool {
        guard at < bytes.count, let base = bytes.baseAddress else { return false }
        var limits = HeadLimits()
        limits.head = Self.overheadLimit
        limits.fields = 64
        fields.clear()
        var cursor = at
        let result: Result<Bool, WireError> = ByteClass.table.withUnsafeBufferPointer { table in
            guard let classes = table.baseAddress else { return .success(false) }
            let reader = FieldReader(
                bytes: base.assumingMemoryBound(to: UInt8.self), count: bytes.count, classes: classes, limits: limits,
                origin: at, unwanted: unwanted)
            do throws(WireError) {
                while true {
                    switch try reader.next(&cursor, &fields) {
                    case .incomplete: return .success(false)
                    case .end: return .success(true)
                    case .field: try Self.check(&fields)
                    }
                }
            } catch {
                return .failure(error)
            }
        }
        guard try result.get() else { return false }
        at = cursor
        return true
    }

    /// A trailer may inform, but not decide how the message is framed or where it goes.
    private static func check(_ fields: inout HeadFields) throws(WireError) {
        let last = fields.lines.count - 1
        switch fields.lines[last].name {
        case .contentLength, .transferEncoding, .host: throw .forbiddenTrailer
        case .other: break
        default: fields.lines[last].isKept = false
        }
    }
}
