#if canImport(GuestBoot)
    import GuestBoot  // the tests of this file run on the host
#endif

/// The last bytes that the app wrote, both streams in the order of arrival.
struct LogRing {
    let capacity: Int
    private var bytes: [UInt8]
    /// One bit for each byte: set for stderr.
    private var marks: [UInt8]
    /// Bytes written since the start of the app; also the position of the next byte.
    private(set) var end: UInt64 = 0

    init(capacity: Int) {
        self.capacity = capacity
        bytes = [UInt8](repeating: 0, count: capacity)
        marks = [UInt8](repeating: 0, count: (capacity + 7) / 8)
    }

    /// Position of the oldest byte that is still there.
    var start: UInt64 { end > UInt64(capacity) ? end - UInt64(capacity) : 0 }

    mutating func append(_ chunk: some Sequence<UInt8>, from stream: LogStream) {
        var index = Int(end % UInt64(capacity))
        for byte in chunk {
            bytes[index] = byte
            let bit = UInt8(1) << UInt8(index & 7)
            if stream == .stderr { marks[index >> 3] |= bit } else { marks[index >> 3] &= ~bit }
            end += 1
            index = index + 1 == capacity ? 0 : index + 1
        }
    }

    /// The run of bytes of one stream that begins at `position`, or at the oldest byte if that is gone.
    func read(from position: UInt64, limit: Int) -> (stream: LogStream, position: UInt64, bytes: [UInt8])? {
        let first = max(position, start)
        guard first < end else { return nil }
        let stream = stream(at: first)
        var run: [UInt8] = []
        var next = first
        while next < end, run.count < limit, self.stream(at: next) == stream {
            run.append(bytes[Int(next % UInt64(capacity))])
            next += 1
        }
        return (stream, first, run)
    }

    /// Where the last `count` lines begin; looks back 4 KiB at most.
    func tail(lines count: Int) -> UInt64 {
        var position = end
        var found = 0
        while position > start, end - position < 4096 {
            if bytes[Int((position - 1) % UInt64(capacity))] == 0x0a, position != end {
                found += 1
                if found == count { return position }
            }
            position -= 1
        }
        return position
    }

    private func stream(at position: UInt64) -> LogStream {
        let index = Int(position % UInt64(capacity))
        return marks[index >> 3] & (1 << UInt8(index & 7)) == 0 ? .stdout : .stderr
    }
}
