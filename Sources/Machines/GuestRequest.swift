import Glibc
package import HostNetwork
import LinuxHost

/// One HTTP request of our own to the app in a machine: warm-ups, hooks, checks. Blocking.
package enum GuestRequest {
    /// What came back: the status, and when its first byte did.
    package struct Answer: Sendable {
        package let status: Int
        package let firstByte: ContinuousClock.Instant
    }

    /// Sends a request without a body on a connection of its own and reads the answer to its end, so that the machine
    /// holds no connection afterwards. Throws when there is none in `timeout`, or one that is not HTTP.
    /// `connection` is one that is there already and is given away.
    package static func send(
        _ method: String = "GET", _ path: String = "/", to slot: Slot, port: UInt16, timeout: Duration = .seconds(10),
        over connection: Int32? = nil
    ) throws(MachineError) -> Answer {
        let deadline = ContinuousClock.now + timeout
        let socket = if let connection { OwnedDescriptor(connection) } else { try connect(slot, port, deadline) }
        let length = method == "GET" ? "" : "Content-Length: 0\r\n"
        let text =
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nUser-Agent: fcctl\r\n\(length)Connection: close\r\n\r\n"
        // So few bytes fit into the buffer of a new socket.
        let sent = Array(text.utf8).withUnsafeBytes {
            Glibc.send(socket.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard sent == text.utf8.count else { throw .network("the app in the instance closed the connection") }
        var head: [UInt8] = []
        var firstByte: ContinuousClock.Instant?
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(socket.rawValue, $0.baseAddress, $0.count) }
            if count > 0 {
                firstByte = firstByte ?? .now
                if head.count < 64 { head += chunk[..<min(count, 64)] }
            } else if count == 0 {
                break
            } else if errno == EAGAIN {
                try wait(socket, until: deadline)
            } else if errno != EINTR {
                throw .network("the app in the instance broke the connection off")
            }
        }
        guard let firstByte, let status = status(of: head) else {
            throw .network("the app in the instance did not answer with HTTP")
        }
        return Answer(status: status, firstByte: firstByte)
    }

    private static func connect(
        _ slot: Slot, _ port: UInt16, _ deadline: ContinuousClock.Instant
    ) throws(MachineError) -> OwnedDescriptor {
        do throws(HostNetworkError) { return try slot.connect(port: port, deadline: deadline) } catch {
            throw .network(error.description)
        }
    }

    private static func wait(
        _ socket: borrowing OwnedDescriptor, until deadline: ContinuousClock.Instant
    ) throws(MachineError) {
        let left = (deadline - .now) / .milliseconds(1)
        var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        guard left > 0, poll(&entry, 1, Int32(clamping: Int64(left) + 1)) != 0 else {
            throw .network("the app in the instance did not answer in time")
        }
    }

    static func status(of head: [UInt8]) -> Int? {
        let words = String(decoding: head, as: UTF8.self).split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1.") else { return nil }
        return Int(words[1].prefix(3))
    }
}
