import Glibc
import NIOCore
import NIOPosix

/// What a machine has sent and nobody has read.
enum UnreadInput {
    /// NIO reads a connection to its end once that is in the kernel, although its client takes nothing: into memory goes what
    /// the kernel held, and left to itself that may be as much as `tcp_rmem`, 6 MiB or more. With a guest that is 0.2 ms away
    /// this much is 40 Gbit/s.
    static func limit(of descriptor: Int32) {
        var size: Int32 = 1 << 20
        let length = socklen_t(MemoryLayout<Int32>.size)
        // Beyond `rmem_max` only root may go.
        if setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, length) == 0 { return }
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, length)
    }
}

extension ChannelHandlerContext {
    /// The kernel has neither bytes for this connection nor its end. Costs a system call.
    var hasNothingToRead: Bool {
        let operations = pipeline.syncOperations
        let isEmpty = try? operations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
            var byte: UInt8 = 0
            return recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) < 0 && errno == EAGAIN
        }
        // A channel without a socket has nothing but its events.
        return isEmpty ?? true
    }
}
