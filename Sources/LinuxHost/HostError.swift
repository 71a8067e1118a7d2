package import SystemPackage

/// A system call that failed: what was attempted, on what, and the kernel's reason.
package struct HostError: Error, CustomStringConvertible, Equatable {
    package let operation: String
    package let subject: String
    package let errno: Errno

    package init(_ operation: String, _ subject: String, _ errno: Errno) {
        self.operation = operation
        self.subject = subject
        self.errno = errno
    }

    package var description: String { "\(operation) \(subject): \(errno)" }
}

extension HostError {
    /// Turns the `-errno` convention of CLinuxHost into a value or a `HostError`.
    @discardableResult
    package static func check(
        _ result: Int32, _ operation: String, _ subject: String
    ) throws(HostError) -> Int32 {
        if result < 0 { throw HostError(operation, subject, Errno(rawValue: -result)) }
        return result
    }
}
