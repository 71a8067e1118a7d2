// The bodies of AgentProtocol.swift's frames as values.

/// What the host asks of the guest.
package enum AgentRequest: Equatable, Sendable {
    case hello(version: UInt16)
    case setClock(nanosecondsSinceEpoch: UInt64)
    case logs(tailBytes: UInt32, follow: Bool)
    case stop(graceMilliseconds: UInt32)
    case status
    case reseed([UInt8])
    case ping
    case quiesce
    /// `entropy` is 32 bytes; an empty host name leaves it as it is.
    case renew(nanosecondsSinceEpoch: UInt64, entropy: [UInt8], hostname: [UInt8])

    package func frame(id: UInt32) -> AgentFrame {
        var writer = ByteWriter()
        let type: UInt8
        switch self {
        case .hello(let version):
            type = 0x01
            writer.integer(version)
            writer.append(AgentProtocol.magic)
        case .setClock(let nanoseconds):
            type = 0x02
            writer.integer(nanoseconds)
        case .logs(let tailBytes, let follow):
            type = 0x03
            writer.integer(tailBytes)
            writer.flag(follow)
        case .stop(let milliseconds):
            type = 0x04
            writer.integer(milliseconds)
        case .status: type = 0x05
        case .reseed(let bytes):
            type = 0x06
            writer.append(bytes)
        case .ping: type = 0x07
        case .quiesce: type = 0x08
        case .renew(let nanoseconds, let entropy, let hostname):
            type = 0x09
            writer.integer(nanoseconds)
            writer.append(entropy)
            writer.append(hostname)
        }
        return AgentFrame(type: type, id: id, body: writer.bytes)
    }

    package init(_ frame: AgentFrame) throws(AgentProtocolError) {
        var reader = ByteReader(frame.body)
        let request: AgentRequest?
        switch frame.type {
        case 0x01:
            let version = reader.integer(UInt16.self)
            request = reader.rest() == AgentProtocol.magic ? version.map { .hello(version: $0) } : nil
        case 0x02: request = reader.integer().map { .setClock(nanosecondsSinceEpoch: $0) }
        case 0x03:
            if let tail = reader.integer(UInt32.self), let follow = reader.flag() {
                request = .logs(tailBytes: tail, follow: follow)
            } else {
                request = nil
            }
        case 0x04: request = reader.integer().map { .stop(graceMilliseconds: $0) }
        case 0x05: request = .status
        case 0x06: request = reader.take(32).map { .reseed($0) }
        case 0x07: request = .ping
        case 0x08: request = .quiesce
        case 0x09:
            if let nanoseconds = reader.integer(UInt64.self), let entropy = reader.take(32), reader.remaining <= 64 {
                request = .renew(nanosecondsSinceEpoch: nanoseconds, entropy: entropy, hostname: reader.rest())
            } else {
                request = nil
            }
        default: throw .unknownType(frame.type)
        }
        guard let request, reader.remaining == 0 else { throw .malformed(type: frame.type) }
        self = request
    }
}

package enum LogStream: UInt8, Sendable {
    case stdout = 1
    case stderr = 2
}

/// What the guest tells the host.
package enum AgentReport: Equatable, Sendable {
    case hello(version: UInt16, uptimeNanoseconds: UInt64)
    case state(AppState)
    case log(LogStream, position: UInt64, bytes: [UInt8])
    case done
    case failed(message: [UInt8])

    /// As much text as one log frame may carry.
    package static let maximumLogBytes = 16 << 10

    package func frame(id: UInt32) -> AgentFrame {
        var writer = ByteWriter()
        let type: UInt8
        switch self {
        case .hello(let version, let uptime):
            type = 0x81
            writer.integer(version)
            writer.integer(uptime)
        case .state(let state):
            type = 0x82
            state.write(to: &writer)
        case .log(let stream, let position, let bytes):
            type = 0x83
            writer.integer(stream.rawValue)
            writer.integer(position)
            writer.append(bytes)
        case .done: type = 0x84
        case .failed(let message):
            type = 0x85
            writer.append(message)
        }
        return AgentFrame(type: type, id: id, body: writer.bytes)
    }

    package init(_ frame: AgentFrame) throws(AgentProtocolError) {
        var reader = ByteReader(frame.body)
        let report: AgentReport?
        switch frame.type {
        case 0x81:
            if let version = reader.integer(UInt16.self), let uptime = reader.integer(UInt64.self) {
                report = .hello(version: version, uptimeNanoseconds: uptime)
            } else {
                report = nil
            }
        case 0x82: report = AppState(from: &reader).map { .state($0) }
        case 0x83:
            if let stream = reader.integer().flatMap({ LogStream(rawValue: $0) }),
                let position = reader.integer(UInt64.self)
            {
                report = .log(stream, position: position, bytes: reader.rest())
            } else {
                report = nil
            }
        case 0x84: report = .done
        case 0x85: report = .failed(message: reader.rest())
        default: throw .unknownType(frame.type)
        }
        guard let report, reader.remaining == 0 else { throw .malformed(type: frame.type) }
        self = report
    }
}
