import LinuxHost
package import SystemPackage

/// Files that every installation of the host shares, and the host's resolver configuration.
package struct UplinkFiles: Sendable, Hashable {
    package let folder: FilePath
    package let resolverConfiguration: FilePath
    package let resolverUpstream: FilePath

    package init(
        folder: FilePath = "/run/fcctl", resolverConfiguration: FilePath = "/etc/resolv.conf",
        resolverUpstream: FilePath = "/run/systemd/resolve/resolv.conf"
    ) {
        self.folder = folder
        self.resolverConfiguration = resolverConfiguration
        self.resolverUpstream = resolverUpstream
    }

    package var journal: FilePath { folder.appending("network.json") }
    func tableRecord(_ tag: NetworkTag) -> FilePath { folder.appending("\(tag.table).nft") }

    /// Held while the host's network is looked at and changed. Blocks while another process holds it.
    private func lock() throws(HostNetworkError) -> FileLock {
        try translated { () throws(HostError) in
            try Files.makeDirectory(folder)
            return try FileLock(waitingFor: folder.appending("network.lock"))
        }
    }

    /// Runs `body` while no other process looks at the host's network and changes it. Blocks while another one does.
    func locked<Value>(_ body: () throws(HostNetworkError) -> Value) throws(HostNetworkError) -> Value {
        let lock = try lock()
        let value = try body()
        _ = consume lock
        return value
    }

    func resolver() -> Resolver? {
        Resolver.find(configuration: Self.text(resolverConfiguration), upstream: Self.text(resolverUpstream))
    }

    /// A host without these files has no resolver, which only its guests' DNS notices.
    private static func text(_ path: FilePath) -> String {
        (try? Files.read(path, limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Whether a name can stand in a ruleset as it is; the kernel allows quotes and wildcards in names.
    static func isPlain(_ name: String) -> Bool {
        name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "._@-".utf8.contains(byte)
        }
    }

    /// What a link's alias says: the namespace of the slot at its other end.
    static func alias(of inode: Int) -> String { "fcctl slot net:[\(inode)]" }
}
