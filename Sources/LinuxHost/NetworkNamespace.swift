import CLinuxHost
import Glibc
package import SystemPackage

/// A network namespace held by descriptor: it lives as long as a descriptor, a process or a socket in it does, so
/// nothing is left behind when its owners die, however they die.
package struct NetworkNamespace: ~Copyable, Sendable {
    package let descriptor: OwnedDescriptor

    /// Takes over a descriptor of a namespace.
    package init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
    }

    /// Makes an empty namespace.
    package static func make() throws(HostError) -> NetworkNamespace {
        let raw = try visit(-1) { () throws(HostError) in
            try Files.open("/proc/thread-self/ns/net").release()
        }.get()
        return NetworkNamespace(OwnedDescriptor(raw))
    }

    /// The namespace that the process `pid` is in.
    package init(of pid: Int32) throws(HostError) {
        descriptor = try Files.open(FilePath("/proc/\(pid)/ns/net"))
    }

    /// The namespace of the calling thread.
    package static func current() throws(HostError) -> NetworkNamespace {
        NetworkNamespace(try Files.open("/proc/thread-self/ns/net"))
    }

    /// A path to the namespace for a program that this process starts, such as a jailer; valid while the value lives.
    package var path: FilePath { FilePath("/proc/\(getpid())/fd/\(descriptor.rawValue)") }

    /// What identifies the namespace while it lives: the number in `net:[…]`.
    package var inode: Int { lh_namespace_inode(descriptor.rawValue) }

    /// Runs `body` to its end on a thread of its own inside the namespace; the caller waits. Throws when the namespace
    /// cannot be entered. A process that `body` starts is in the namespace too; it must not ask for a signal at its
    /// parent's death (PR_SET_PDEATHSIG), because the kernel means the thread, which ends here.
    package func run<Value, Failure: Error>(
        _ body: () throws(Failure) -> Value
    ) throws(HostError) -> Result<Value, Failure> {
        try Self.visit(descriptor.rawValue, body)
    }

    /// A socket of the namespace, close-on-exec and non-blocking, usable from any thread.
    package func socket(_ domain: Int32, _ type: Int32, protocol number: Int32 = 0) throws(HostError) -> OwnedDescriptor
    {
        let flags = type | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let result = lh_namespace_socket(descriptor.rawValue, domain, flags, number)
        return OwnedDescriptor(try HostError.check(result, "make a socket in", "a network namespace"))
    }

    /// The body as the other thread gets it; `pthread_join` orders its writes before the caller's reads.
    private final class Visit {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    private static func visit<Value, Failure: Error>(
        _ namespace: Int32, _ body: () throws(Failure) -> Value
    ) throws(HostError) -> Result<Value, Failure> {
        var outcome: Result<Value, Failure>?
        let status = withoutActuallyEscaping(body) { body in
            let visit = Visit {
                do throws(Failure) { outcome = .success(try body()) } catch { outcome = .failure(error) }
            }
            return withExtendedLifetime(visit) {
                lh_namespace_run(
                    namespace,
                    { context in
                        guard let context else { return }
                        Unmanaged<Visit>.fromOpaque(context).takeUnretainedValue().body()
                    },
                    Unmanaged.passUnretained(visit).toOpaque())
            }
        }
        try HostError.check(status, namespace < 0 ? "make" : "enter", "a network namespace")
        guard let outcome else { preconditionFailure("a visit that succeeded ran its body") }
        return outcome
    }
}
