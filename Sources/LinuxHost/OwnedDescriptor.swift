import Glibc
package import SystemPackage

/// A file descriptor that closes itself.
package struct OwnedDescriptor: ~Copyable, Sendable {
    package let rawValue: Int32

    /// Takes over `rawValue`, which must be open and owned by nobody else.
    package init(_ rawValue: Int32) {
        self.rawValue = rawValue
    }

    deinit {
        _ = Glibc.close(rawValue)
    }

    /// The descriptor for calls that only borrow it.
    package var borrowed: FileDescriptor { FileDescriptor(rawValue: rawValue) }

    /// Gives the descriptor away: the caller closes it.
    package consuming func release() -> Int32 {
        let value = rawValue
        discard self
        return value
    }

    /// Another descriptor of the same open file, with the same position.
    package func duplicate() throws(HostError) -> OwnedDescriptor {
        let copy = fcntl(rawValue, F_DUPFD_CLOEXEC, 0)
        if copy < 0 { throw HostError("duplicate", "a descriptor", Errno(rawValue: errno)) }
        return OwnedDescriptor(copy)
    }
}
