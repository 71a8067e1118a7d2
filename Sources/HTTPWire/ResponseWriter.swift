/// How a response body travels to the client.
package enum ClientFraming: Sendable, Equatable {
    case none
    case length(UInt64)
    case chunked
    /// For HTTP/1.0 clients: the connection ends with the body.
    case untilClose
}

/// What the gateway adds to a response. A class, so that handing it on counts no references of what is in it.
package final class ResponseAdditions {
    /// Whole lines, each with its CRLF: which instance answered.
    package var instance: [UInt8] = []
    /// Start kind for X-Start-Type and Server-Timing; empty: neither is written.
    package var startKind: [UInt8] = []
    package var requestID: [UInt8] = []
    /// The date as a whole line.
    package var date: [UInt8] = []
    package var latency: UInt64 = 0
    package var queue: UInt64 = 0
    package var start: UInt64 = 0
    package var connect: UInt64 = 0
    package var app: UInt64 = 0
    package var showsLatency = true

    package init() {}

    var size: Int { instance.count + startKind.count + requestID.count + date.count + 400 }
}

extension ResponseHead {
    /// How the body goes to a client that speaks HTTP/1.1, or only HTTP/1.0.
    package func clientFraming(isHTTP11: Bool) -> ClientFraming {
        switch framing {
        case .none: .none
        case .length(let length): .length(length)
        case .chunked, .untilClose: isHTTP11 ? .chunked : .untilClose
        }
    }

    package func sizeBound(_ additions: ResponseAdditions) -> Int {
        length + additions.size + 256
    }

    /// Writes an informational head (100, 102, 103 and others, or 101) as it goes to the client.
    package func writeInformational(
        _ bytes: UnsafeRawBufferPointer, _ fields: HeadFields, _ additions: ResponseAdditions,
        to writer: inout HeadWriter
    ) {
        guard let base = bytes.baseAddress else { return }
        writeStatusLine(base, &writer)
        writer.put(kept: fields, of: base)
        if status == 101 {
            writer.put("Connection: Upgrade\r\nUpgrade: ")
            writer.put(base, upgrade)
            writer.put("\r\n")
            write(additions, &writer)
        }
        writer.put("\r\n")
    }

    /// Writes a final head as it goes to the client.
    package func write(
        _ bytes: UnsafeRawBufferPointer, _ fields: HeadFields, _ additions: ResponseAdditions, framing: ClientFraming,
        connection: ConnectionPersistence, to writer: inout HeadWriter
    ) {
        guard let base = bytes.baseAddress else { return }
        writeStatusLine(base, &writer)
        writer.put(kept: fields, of: base)
        switch framing {
        case .length(let length): write(length: length, &writer)
        case .chunked: writer.put("Transfer-Encoding: chunked\r\n")
        // HEAD and 304 say what a GET would have brought; 204 says nothing.
        case .none: if let contentLength { write(length: contentLength, &writer) }
        case .untilClose: break
        }
        switch connection {
        case .close: writer.put("Connection: close\r\n")
        case .keepAliveHTTP10: writer.put("Connection: keep-alive\r\n")
        case .keepAlive: break
        }
        if !hasDate { writer.put(additions.date) }
        write(additions, &writer)
        writer.put("\r\n")
    }

    private func write(length: UInt64, _ writer: inout HeadWriter) {
        writer.put("Content-Length: ")
        writer.put(decimal: length)
        writer.put("\r\n")
    }

    private func writeStatusLine(_ base: UnsafeRawPointer, _ writer: inout HeadWriter) {
        writer.put("HTTP/1.1 ")
        // Digits, space and reason as they came; the space is there in any case.
        if reason.isEmpty {
            writer.put(base, 9..<12)
            writer.put(" ")
        } else {
            writer.put(base, 9..<reason.upperBound)
        }
        writer.put("\r\n")
    }

    private func write(_ additions: ResponseAdditions, _ writer: inout HeadWriter) {
        writer.put(additions.instance)
        if additions.showsLatency {
            writer.put("X-Latency-Ms: ")
            writer.put(milliseconds: additions.latency)
            writer.put("\r\n")
        }
        if !additions.startKind.isEmpty {
            writer.put("X-Start-Type: ")
            writer.put(additions.startKind)
            if additions.queue | additions.start == 0 {
                writer.put("\r\nServer-Timing: queue;dur=0.000, start;dur=0.000, connect;dur=")
            } else {
                writer.put("\r\nServer-Timing: queue;dur=")
                writer.put(milliseconds: additions.queue)
                writer.put(", start;dur=")
                writer.put(milliseconds: additions.start)
                writer.put(", connect;dur=")
            }
            writer.put(milliseconds: additions.connect)
            writer.put(", app;dur=")
            writer.put(milliseconds: additions.app)
            writer.put("\r\n")
        }
        writer.put("X-Request-Id: ")
        writer.put(additions.requestID)
        writer.put("\r\n")
    }
}

/// What becomes of the client's connection after a response.
package enum ConnectionPersistence: Sendable, Equatable {
    case keepAlive
    /// HTTP/1.0 closes unless told otherwise.
    case keepAliveHTTP10
    case close
}

extension HeadFields {
    /// No more bytes than this are written by `writeTrailers`.
    package var trailerBound: Int {
        lines.reduce(16) { $0 + Int($1.end - $1.start) }
    }

    /// Writes the last chunk with the trailer lines that go on.
    package func writeTrailers(_ bytes: UnsafeRawBufferPointer, to writer: inout HeadWriter) {
        writer.put("0\r\n")
        if !lines.isEmpty, let base = bytes.baseAddress { writer.put(kept: self, of: base) }
        writer.put("\r\n")
    }
}
