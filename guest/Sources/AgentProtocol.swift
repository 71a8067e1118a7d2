// The agent protocol: how the host talks to PID 1 of a microVM.
//
// TCP; the host connects, the guest listens on port 1 of its link address and accepts only the gateway's address.
// Both directions carry frames, all integers little-endian:
//
//     length  u32   bytes that follow: 5 ... 65536
//     type    u8    below 0x80 from the host, from 0x80 on from the guest
//     id      u32   chosen by the host; the answer repeats it; 0 in frames that nobody asked for
//     body          as listed here
//
//     host -> guest                                        answer
//     0x01 hello        version u16, then "fcctl"          hello, then the current state with id 0
//     0x02 set clock    nanoseconds since 1970 u64         done
//     0x03 logs         tail bytes u32, follow u8          done, then log frames with this id; without follow, done
//                                                          once more after the last of them
//     0x04 stop         grace in milliseconds u32          done; the app gets its stop signal, later SIGKILL
//     0x05 status                                          state
//     0x06 reseed       32 bytes for the kernel's RNG      done
//     0x07 ping                                            done
//     0x08 quiesce                                         done, once the disks are synced and caches are dropped
//     0x09 renew        nanoseconds since 1970 u64, 32     done: a clone is told the time, gets a random number
//                       bytes for the RNG, host name       generator, ids and a name (0 to 64 bytes) of its own
//
//     guest -> host
//     0x81 hello        version u16, uptime in nanoseconds u64
//     0x82 state        see `AppState`; sent again with id 0 whenever it changes
//     0x83 log          stream u8 (1 stdout, 2 stderr), position u64, bytes
//     0x84 done
//     0x85 failed       message in UTF-8; the request had no effect
//
// The first frame of each side is its hello. A guest that does not speak the host's version answers `failed` and closes.
// A frame that breaks these rules closes the connection and nothing else. Positions count the bytes of both streams
// together since the start of the app: a position beyond the end of the previous frame is a gap, text that the guest
// had to drop because the client read too slowly.

package enum AgentProtocol {
    package static let version: UInt16 = 1
    package static let port: UInt16 = 1
    package static let maximumLength = 65536
    package static let magic: [UInt8] = [0x66, 0x63, 0x63, 0x74, 0x6c]
    static let headerLength = 5
}

/// One frame as it was on the wire, without its length.
package struct AgentFrame: Equatable, Sendable {
    package let type: UInt8
    package let id: UInt32
    package let body: [UInt8]

    package init(type: UInt8, id: UInt32, body: [UInt8]) {
        self.type = type
        self.id = id
        self.body = body
    }

    /// The bytes to send. The body must fit: 65531 bytes at most.
    package var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.integer(UInt32(truncatingIfNeeded: AgentProtocol.headerLength + body.count))
        writer.integer(type)
        writer.integer(id)
        writer.append(body)
        return writer.bytes
    }
}

/// Why the bytes of a peer are not the agent protocol. The connection is of no use afterwards.
package enum AgentProtocolError: Error, Equatable, Sendable {
    case badLength(UInt32)
    case unknownType(UInt8)
    case malformed(type: UInt8)
    case helloExpected
    case wrongVersion(UInt16)
}

/// Cuts a byte stream into frames, whatever pieces it arrives in.
package struct AgentDecoder: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0

    package init() {}

    package mutating func append(_ bytes: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame, or nil until more bytes have come. Call it until it gives nil after every `append`.
    package mutating func next() throws(AgentProtocolError) -> AgentFrame? {
        guard buffer.count - start >= 4 else { return nil }
        var length: UInt32 = 0
        for offset in 0..<4 { length |= UInt32(buffer[start + offset]) << UInt32(offset * 8) }
        guard length >= UInt32(AgentProtocol.headerLength), length <= UInt32(AgentProtocol.maximumLength) else {
            throw .badLength(length)
        }
        let end = start + 4 + Int(length)
        guard buffer.count >= end else { return nil }
        var id: UInt32 = 0
        for offset in 0..<4 { id |= UInt32(buffer[start + 5 + offset]) << UInt32(offset * 8) }
        let frame = AgentFrame(type: buffer[start + 4], id: id, body: [UInt8](buffer[(start + 9)..<end]))
        start = end
        return frame
    }
}
