import HTTPWire
import NIOCore

/// Writes one line of the log. Whatever a client sent is escaped, so that it cannot begin a line or drive a terminal.
struct AccessLine {
    let note: AccessNote
    let outcome: AccessOutcome
    /// The time as the format writes it.
    let time: [UInt8]

    /// No line is longer: an escaped byte takes six.
    private var bound: Int { 6 * note.bytes.readableBytes + 1024 + outcome.instance.count + time.count }

    func write(_ format: AccessLogFormat, to buffer: inout ByteBuffer) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { memory in
            guard var writer = HeadWriter(memory) else { return 0 }
            note.bytes.withUnsafeReadableBytes { bytes in
                switch format {
                case .json: json(bytes, &writer)
                case .common: common(bytes, &writer)
                }
            }
            writer.put("\n")
            return writer.count
        }
    }

    private func json(_ bytes: UnsafeRawBufferPointer, _ writer: inout HeadWriter) {
        func text(_ name: StaticString, _ range: Range<Int>) {
            guard !range.isEmpty else { return }
            writer.put(name)
            writer.put(json: UnsafeRawBufferPointer(rebasing: bytes[range]))
            writer.put("\"")
        }
        func time(_ name: StaticString, _ value: UInt64) {
            writer.put(name)
            writer.put(milliseconds: value)
        }
        writer.put("{\"time\":\"")
        writer.put(self.time)
        writer.put("\"")
        text(",\"client\":\"", note.client)
        text(",\"method\":\"", note.method)
        text(",\"host\":\"", note.host)
        text(",\"path\":\"", note.path)
        if !note.method.isEmpty {
            writer.put(",\"protocol\":\"")
            writer.put(note.version)
            writer.put("\"")
        }
        writer.put(",\"status\":")
        writer.put(decimal: UInt64(outcome.status))
        writer.put(",\"bytes_in\":")
        writer.put(decimal: outcome.bytesIn)
        writer.put(",\"bytes_out\":")
        writer.put(decimal: outcome.bytesOut)
        time(",\"duration_ms\":", outcome.total)
        if let startKind = outcome.startKind {
            time(",\"queue_ms\":", outcome.queue)
            time(",\"start_ms\":", outcome.start)
            time(",\"connect_ms\":", outcome.connect)
            time(",\"app_ms\":", outcome.app)
            writer.put(",\"start_type\":\"")
            writer.put(startKind.headerValue)
            writer.put("\",\"instance\":\"")
            writer.put(outcome.instance)
            writer.put("\"")
        }
        text(",\"request_id\":\"", note.requestID)
        text(",\"trace_id\":\"", note.traceID)
        text(",\"user_agent\":\"", note.userAgent)
        text(",\"referer\":\"", note.referer)
        if outcome.retries > 0 {
            writer.put(",\"retries\":")
            writer.put(decimal: UInt64(outcome.retries))
        }
        if let error = outcome.error {
            writer.put(",\"error\":\"")
            writer.put(Array(error.utf8))
            writer.put("\"")
        }
        writer.put("}")
    }

    private func common(_ bytes: UnsafeRawBufferPointer, _ writer: inout HeadWriter) {
        func text(_ range: Range<Int>) {
            if range.isEmpty {
                writer.put("-")
            } else {
                writer.put(common: UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
        }
        text(note.client)
        writer.put(" - - [")
        writer.put(time)
        writer.put("] \"")
        if note.method.isEmpty {
            writer.put("-")
        } else {
            text(note.method)
            writer.put(" ")
            text(note.path)
            writer.put(" ")
            writer.put(note.version)
        }
        writer.put("\" ")
        writer.put(decimal: UInt64(outcome.status))
        writer.put(" ")
        writer.put(decimal: outcome.bytesOut - min(outcome.headBytes, outcome.bytesOut))
        writer.put(" \"")
        text(note.referer)
        writer.put("\" \"")
        text(note.userAgent)
        writer.put("\"")
    }
}

extension HeadWriter {
    /// A JSON string without its quotes. Field bytes from 0x80 on have no known encoding and are written as their numbers.
    mutating func put(json bytes: UnsafeRawBufferPointer) {
        put(bytes, quoting: "\\", control: "\\u00")
    }

    /// As nginx writes variables into its log.
    mutating func put(common bytes: UnsafeRawBufferPointer) {
        put(bytes, quoting: "\\x", control: "\\x", quotesInHexadecimal: true)
    }

    private mutating func put(
        _ bytes: UnsafeRawBufferPointer, quoting: StaticString, control: StaticString, quotesInHexadecimal: Bool = false
    ) {
        guard let base = bytes.baseAddress else { return }
        var clean = 0
        for index in bytes.indices {
            let byte = bytes[index]
            let isQuote = byte == 0x22 || byte == 0x5c
            guard byte < 0x20 || byte >= 0x7f || isQuote else { continue }
            if index > clean { put(base, clean..<index) }
            clean = index + 1
            if isQuote, !quotesInHexadecimal {
                put(quoting)
                put(base, index..<(index + 1))
            } else {
                put(control)
                if byte < 0x10 { put("0") }
                put(hexadecimal: UInt64(byte))
            }
        }
        if bytes.count > clean { put(base, clean..<bytes.count) }
    }
}
