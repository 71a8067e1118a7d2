import Glibc
import LinuxHost
import SystemPackage

/// Opens a TAP that exists in a network namespace, by the least code that does it.
enum TestTap {
    static func open(_ name: String, in namespace: FilePath) throws(HostError) -> OwnedDescriptor {
        let home = try Files.open("/proc/thread-self/ns/net")
        try enter(namespace)
        // No suspension point until the thread is back where it was.
        defer { setNamespace(home.rawValue) }
        let tap = try Files.open("/dev/net/tun", O_RDWR)
        // struct ifreq: the name, then the flags IFF_TAP | IFF_NO_PI.
        var request = [UInt8](repeating: 0, count: 40)
        for (index, byte) in name.utf8.prefix(15).enumerated() { request[index] = byte }
        request[16] = 0x02
        request[17] = 0x10
        let setInterface: UInt = 0x4004_54ca
        guard ioctl(tap.rawValue, setInterface, &request) == 0 else {
            throw HostError("open the TAP", name, Errno(rawValue: errno))
        }
        return tap
    }

    private static func enter(_ namespace: FilePath) throws(HostError) {
        let target = try Files.open(namespace)
        if !setNamespace(target.rawValue) { throw HostError("enter", namespace.string, Errno(rawValue: errno)) }
    }

    /// Glibc's module does not show setns, a GNU extension.
    @discardableResult
    private static func setNamespace(_ descriptor: Int32) -> Bool {
        typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
        guard let symbol = dlsym(nil, "setns") else { return false }
        return unsafeBitCast(symbol, to: SetNamespace.self)(descriptor, 0) == 0
    }
}
