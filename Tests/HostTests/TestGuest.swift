import Glibc
import HostNetwork
import LinuxHost
import SystemPackage

/// A guest without a VMM: a namespace whose TAP is joined to the slot's by a thread that copies frames, so that a real
/// TCP/IP stack with the guest's addresses sits where the microVM would.
final class TestGuest: Sendable {
    let namespace: NetworkNamespace
    private let cable: Cable

    /// Attaches to the slot. `address` differs from the slot's only in tests of spoofing.
    init(_ slot: Slot, address: IPv4Address = SlotAddresses.guest, mac: MACAddress = SlotAddresses.guestMAC) throws {
        let namespace = try NetworkNamespace.make()
        let raw = try namespace.run { () throws(HostError) in
            try NetworkLink.setUp("lo")
            try NetworkLink.setSysctl("ipv6/conf/all/disable_ipv6", "1")
            let tap = try TapDevice.open("eth0")
            try NetworkLink.setMAC("eth0", mac)
            try NetworkLink.setAddress("eth0", address, prefix: SlotAddresses.prefix)
            try NetworkLink.setUp("eth0")
            try NetworkLink.setDefaultRoute(via: SlotAddresses.host, on: "eth0")
            return tap.release()
        }.get()
        self.namespace = namespace
        cable = Cable(OwnedDescriptor(raw), try slot.openTap())
    }

    /// A listener at `port` of any address of the guest; connections queue in the kernel.
    func listen(_ port: UInt16) throws -> Listener {
        try Listener(namespace, port: port)
    }
}

/// Copies frames, with their virtio headers, between two TAP queues until it goes away.
final class Cable: Sendable {
    private let left: OwnedDescriptor
    private let right: OwnedDescriptor
    private let stop: OwnedDescriptor
    private let end: OwnedDescriptor
    private let thread: TestThread

    init(_ left: consuming OwnedDescriptor, _ right: consuming OwnedDescriptor) {
        var pipe: [Int32] = [-1, -1]
        _ = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &pipe)
        let ends = (left.rawValue, right.rawValue, pipe[0])
        self.left = left
        self.right = right
        stop = OwnedDescriptor(pipe[1])
        end = OwnedDescriptor(pipe[0])
        thread = TestThread {
            var states = [
                pollfd(fd: ends.0, events: Int16(POLLIN), revents: 0),
                pollfd(fd: ends.1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: ends.2, events: Int16(POLLIN), revents: 0),
            ]
            var frame = [UInt8](repeating: 0, count: 70_000)
            while poll(&states, 3, -1) > 0, states[2].revents == 0 {
                for (from, to) in [(ends.0, ends.1), (ends.1, ends.0)] {
                    let count = read(from, &frame, frame.count)
                    if count > 0 { _ = write(to, frame, count) }
                }
            }
        }
    }

    deinit {
        _ = write(stop.rawValue, "x", 1)
        thread.join()
    }
}

/// An operating system thread that runs one body.
final class TestThread: Sendable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    private let thread: pthread_t

    init(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Body(body)).toOpaque()
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        self.thread = thread
    }

    func join() {
        pthread_join(thread, nil)
    }
}

/// A TCP socket that listens in a namespace.
struct Listener: ~Copyable {
    let descriptor: OwnedDescriptor

    init(_ namespace: borrowing NetworkNamespace, port: UInt16) throws {
        let socket = try namespace.socket(AF_INET, Int32(SOCK_STREAM.rawValue))
        let raw = socket.rawValue
        let result = withAddress(IPv4Address(0, 0, 0, 0), port) { bind(raw, $0, $1) }
        guard result == 0, Glibc.listen(raw, 64) == 0 else {
            throw HostError("listen at", "\(port)", Errno(rawValue: errno))
        }
        descriptor = socket
    }

    consuming func take() -> Int32 { descriptor.release() }

    /// Hears what a connection's first packet says before its handshake is over, as the agent does.
    func hearFirstPackets() {
        for (option, value) in [(Int32(TCP_FASTOPEN), Int32(16)), (34, 1)] {
            var value = value
            setsockopt(descriptor.rawValue, Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// The next connection within two seconds, answered with `text` and closed.
    func answer(_ text: String) throws {
        let connection = try next()
        _ = write(connection.rawValue, text, text.utf8.count)
    }

    /// The next connection within two seconds.
    func next() throws -> OwnedDescriptor {
        try ready(descriptor, POLLIN)
        return OwnedDescriptor(accept(descriptor.rawValue, nil, nil))
    }
}

func ready(_ descriptor: borrowing OwnedDescriptor, _ events: Int32, milliseconds: Int32 = 2000) throws {
    var state = pollfd(fd: descriptor.rawValue, events: Int16(events), revents: 0)
    guard poll(&state, 1, milliseconds) == 1 else { throw HostError("wait for", "a socket", .timedOut) }
}

func withAddress<Result>(
    _ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    name.sin_addr.s_addr = address.value.bigEndian
    return withUnsafePointer(to: &name) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

/// Everything a connection sends until it closes, within two seconds a piece.
func readAll(_ connection: borrowing OwnedDescriptor) throws -> String {
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
        try ready(connection, POLLIN)
        let count = read(connection.rawValue, &chunk, chunk.count)
        if count <= 0 { return String(decoding: text, as: UTF8.self) }
        text.append(contentsOf: chunk[..<count])
    }
}
