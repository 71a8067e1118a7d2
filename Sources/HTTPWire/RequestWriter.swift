/// What the gateway says about the client of a connection: made once, written into every request.
///
/// A class, because a structure of seven arrays costs a request fourteen reference counts each time it is handed on.
package final class PeerLines: Sendable {
    /// The peer is a proxy whose word on its own client counts.
    package let isTrusted: Bool
    let forwardedFor: [UInt8]
    let forwardedProto: [UInt8]
    let forwardedPort: [UInt8]
    let realIP: [UInt8]
    /// Up to the host.
    let forwarded: [UInt8]
    let via: [UInt8]
    /// All of them up to the host, for peers whose own word does not count.
    let all: [UInt8]

    /// `address` is an IP address as text; it becomes part of header fields. `port` is the one the client connected to,
    /// `version` that of the protocol it speaks.
    package init(address: String, scheme: String, port: Int = 80, version: String = "1.1", isTrusted: Bool) {
        self.isTrusted = isTrusted
        forwardedFor = Array("X-Forwarded-For: \(address)\r\n".utf8)
        forwardedProto = Array("X-Forwarded-Proto: \(scheme)\r\n".utf8)
        forwardedPort = Array("X-Forwarded-Port: \(port)\r\n".utf8)
        realIP = Array("X-Real-IP: \(address)\r\n".utf8)
        let node = address.utf8.contains(Octet.colon) ? "\"[\(address)]\"" : address
        forwarded = Array("Forwarded: for=\(node);proto=\(scheme)".utf8)
        via = Array("Via: \(version) fcctl\r\n".utf8)
        all = forwardedFor + forwardedProto + forwardedPort + realIP + forwarded
    }

    var size: Int { all.count + via.count }
}

extension RequestHead {
    /// Marks what the peer may not say, once its trust is known. Call before `write`.
    package mutating func settle(_ fields: inout HeadFields, isTrusted: Bool, keepsRequestID: Bool) {
        if !keepsRequestID { requestID = 0..<0 }
        if isTrusted { return }
        for index in fields.lines.indices {
            switch fields.lines[index].name {
            case .forwardedFor, .forwardedHost, .forwardedProto, .forwardedPort, .forwardedOther, .forwarded, .realIP:
                fields.lines[index].isKept = false
            default: break
            }
        }
    }

    /// No more bytes than this are written by `write`.
    package func sizeBound(_ peer: PeerLines) -> Int {
        length + peer.size + 4 * authority.count + 704
    }

    /// Writes the head as it goes to a machine: from the parsed form, hop-by-hop fields left out.
    package func write(
        _ bytes: UnsafeRawBufferPointer, _ fields: HeadFields, _ peer: PeerLines, requestID id: [UInt8],
        trace: TraceParent, to writer: inout HeadWriter
    ) {
        guard let base = bytes.baseAddress else { return }
        writer.put(base, methodRange)
        writer.put(" ")
        if isAsterisk {
            writer.put("*")
        } else {
            if target.isEmpty || base.load(fromByteOffset: target.lowerBound, as: UInt8.self) == Octet.question {
                writer.put("/")
            }
            writer.put(base, target)
        }
        writer.put(" HTTP/1.1\r\n")
        if isAbsolute || !hasHost {
            writer.put("Host: ")
            writer.put(base, authority)
            writer.put("\r\n")
        }
        writer.put(kept: fields, of: base)
        switch framing {
        case .length(let length):
            writer.put("Content-Length: ")
            writer.put(decimal: length)
            writer.put("\r\n")
        case .chunked: writer.put("Transfer-Encoding: chunked\r\n")
        case .none, .untilClose: break
        }
        if wantsUpgrade {
            writer.put("Connection: Upgrade\r\nUpgrade: ")
            writer.put(base, upgrade)
            writer.put("\r\n")
        } else if takesTrailers {
            writer.put("TE: trailers\r\nConnection: TE\r\n")
        }
        if let maxForwards {
            writer.put("Max-Forwards: ")
            writer.put(decimal: maxForwards == 0 ? 0 : maxForwards - 1)
            writer.put("\r\n")
        }
        write(peer, fields, base, &writer)
        writer.put("X-Request-Id: ")
        if requestID.isEmpty { writer.put(id) } else { writer.put(base, requestID) }
        writer.put("\r\ntraceparent: ")
        if traceParent.isEmpty { trace.write(to: &writer) } else { writer.put(base, traceParent) }
        writer.put("\r\n")
        writer.put(peer.via)
        writer.put("\r\n")
    }

    private func write(
        _ peer: PeerLines, _ fields: HeadFields, _ base: UnsafeRawPointer, _ writer: inout HeadWriter
    ) {
        var saysHost = false
        if peer.isTrusted {
            var said: (proto: Bool, port: Bool, address: Bool) = (false, false, false)
            for line in fields.lines where line.isKept {
                switch line.name {
                case .forwardedHost: saysHost = true
                case .forwardedProto: said.proto = true
                case .forwardedPort: said.port = true
                case .realIP: said.address = true
                default: break
                }
            }
            writer.put(peer.forwardedFor)
            if !said.proto { writer.put(peer.forwardedProto) }
            if !said.port { writer.put(peer.forwardedPort) }
            if !said.address { writer.put(peer.realIP) }
            writer.put(peer.forwarded)
        } else {
            writer.put(peer.all)
        }
        if authority.isEmpty {
            writer.put("\r\n")
        } else {
            writer.put(";host=\"")
            writer.put(base, authority)
            writer.put("\"\r\n")
            if !saysHost {
                writer.put("X-Forwarded-Host: ")
                writer.put(base, authority)
                writer.put("\r\n")
            }
        }
    }
}
