import CLinuxHost
import Glibc
package import SystemPackage

/// Unix sockets at paths of any length: the kernel's limit of 107 bytes is met by going through the open folder.
package enum UnixSocket {
    /// A listening socket; a stale one in its place is replaced.
    package static func listen(_ path: FilePath, mode: UInt32 = 0o600, backlog: Int32 = 8) throws(HostError)
        -> OwnedDescriptor
    {
        let folder = try Files.open(path.removingLastComponent(), O_RDONLY | O_DIRECTORY)
        let result = lh_unix_listen(shortPath(folder, path), mode, backlog)
        return OwnedDescriptor(try HostError.check(result, "listen on", path.string))
    }

    /// A connected, non-blocking socket. Throws `ECONNREFUSED` when nobody listens, `EAGAIN` when the backlog is full.
    package static func connect(_ path: FilePath) throws(HostError) -> OwnedDescriptor {
        let folder = try Files.open(path.removingLastComponent(), O_RDONLY | O_DIRECTORY)
        let result = lh_unix_connect(shortPath(folder, path))
        return OwnedDescriptor(try HostError.check(result, "connect to", path.string))
    }

    /// Blocks until the socket of `process` is there and connects to it.
    /// Throws `ESRCH` when the process ends first and `ETIMEDOUT` after `milliseconds`.
    package static func connect(
        _ path: FilePath, madeBy process: ProcessExit, milliseconds: Int32
    ) throws(HostError) -> OwnedDescriptor {
        let folder = try Files.open(path.removingLastComponent(), O_RDONLY | O_DIRECTORY)
        let name = path.lastComponent?.string ?? ""
        let result = lh_unix_await("/proc/self/fd/\(folder.rawValue)", name, process.descriptor, milliseconds)
        return OwnedDescriptor(try HostError.check(result, "connect to", path.string))
    }

    /// Sends a short message and with it a descriptor, which the receiver gets a copy of.
    package static func send(
        _ bytes: [UInt8], with descriptor: borrowing OwnedDescriptor, over socket: borrowing OwnedDescriptor
    ) throws(HostError) {
        let (raw, given) = (socket.rawValue, descriptor.rawValue)
        let result = bytes.withUnsafeBytes { lh_unix_send_descriptor(raw, $0.baseAddress, $0.count, given) }
        try HostError.check(result, "send a descriptor", "over a socket")
    }

    private static func shortPath(_ folder: borrowing OwnedDescriptor, _ path: FilePath) -> String {
        "/proc/self/fd/\(folder.rawValue)/\(path.lastComponent?.string ?? "")"
    }
}
