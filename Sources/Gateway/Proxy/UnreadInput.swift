import Glibc
import NIOCore
import NIOPosix

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
