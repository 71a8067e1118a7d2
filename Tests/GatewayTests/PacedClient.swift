import Gateway
import Glibc
import NIOCore

/// A client whose kernel holds no more for it than it must, and that reads only when it is told to.
final class PacedClient {
    enum End { case finished, reset, stillOpen }

    private let descriptor: Int32
    private(set) var received = 0

    init(port: Int, sending bytes: [UInt8]) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var size = Int32(65_536)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        let connected = address.withSockAddr { [descriptor] in connect(descriptor, $0, socklen_t($1)) }
        guard connected == 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw UpstreamError.unreachable("the gateway under test")
        }
    }

    convenience init(port: Int, sending text: String) throws { try self.init(port: port, sending: Array(text.utf8)) }

    deinit { close(descriptor) }

    /// Says that nothing more comes.
    func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Reads what is there, `count` bytes at most. Nil while the connection is open.
    func read(_ count: Int) -> End? {
        var bytes = [UInt8](repeating: 0, count: count)
        let taken = recv(descriptor, &bytes, count, Int32(MSG_DONTWAIT))
        if taken > 0 {
            received += taken
            return nil
        }
        if taken == 0 { return .finished }
        return errno == EAGAIN ? nil : .reset
    }

    /// Reads `count` bytes every 20 milliseconds, until the connection ends or `limit` bytes have come.
    func keepReading(_ count: Int, limit: Int = .max, patience: Duration = .seconds(20)) async throws -> End {
        let deadline = ContinuousClock.now + patience
        while received < limit, ContinuousClock.now < deadline {
            if let end = read(count) { return end }
            try await Task.sleep(for: .milliseconds(20))
        }
        return .stillOpen
    }

    /// Waits, without reading, until the other side has cut the connection off.
    func isCutOff(within patience: Duration = .seconds(8)) async throws -> Bool {
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            var error: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 else { return false }
            if error == ECONNRESET { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }
}
