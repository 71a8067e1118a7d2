import Gateway
import Glibc
import NIOCore
import NIOPosix

/// An app whose kernel takes connections, and which never looks at them.
func withDeafApp(_ body: (_ address: String) async throws -> Void) async throws {
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .serverChannelOption(.autoRead, value: false)
        .serverChannelOption(.socketOption(.so_rcvbuf), value: 4096)
        .bind(host: "127.0.0.1", port: 0).get()
    do { try await body("127.0.0.1:\(listener.localAddress?.port ?? 0)") } catch {
        try await listener.close()
        throw error
    }
    try await listener.close()
}

/// Sends a request and never reads.
struct SilentClient {
    private static let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
    private let descriptor: Int32

    init(port: Int, request: String) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        var room: Int32 = 4096
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<Int32>.size))
        let connected = address.withSockAddr { [descriptor] in connect(descriptor, $0, socklen_t($1)) }
        guard connected == 0, write(descriptor, request, request.utf8.count) > 0 else {
            throw UpstreamError.unreachable("the gateway under test")
        }
    }

    /// Sends `bytes` again and again as long as somebody takes them. `sent` and the result count from the beginning.
    func offer(_ bytes: [UInt8], from sent: Int) -> Int {
        var sent = sent
        while true {
            let rest = bytes[(sent % bytes.count)...]
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Self.flags) }
            if count <= 0 { return sent }
            sent += count
        }
    }

    var isReset: Bool {
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&state, 1, 0) > 0 && state.revents & Int16(POLLHUP) != 0
    }

    func close() { Glibc.close(descriptor) }
}
