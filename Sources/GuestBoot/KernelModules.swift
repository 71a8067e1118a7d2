/// Which of a kernel's modules a guest needs, and in which order they load.
enum KernelModules {
    /// What a guest needs if the kernel does not have it built in; each with what it depends on.
    private static let wanted = [
        "virtio_mmio", "virtio_blk", "virtio_net", "crc32c_generic", "ext4", "overlay",
    ]

    /// Orders `wanted` and its dependencies, dependencies first. `read` gives the uncompressed content of a module by
    /// name, or nil when the kernel has it built in or lacks it.
    static func resolve(
        read: (String) throws(GuestBootError) -> [UInt8]?
    ) throws(GuestBootError) -> [(name: String, content: [UInt8])] {
        var loaded: [(name: String, content: [UInt8])] = []
        var seen: Set<String> = []
        func add(_ name: String) throws(GuestBootError) {
            guard seen.insert(name).inserted, let content = try read(name) else { return }
            for dependency in dependencies(of: content) { try add(dependency) }
            loaded.append((name, content))
        }
        for name in wanted { try add(name) }
        return loaded
    }

    /// The name of a module file: `virtio-rng.ko.xz` is the module virtio_rng.
    static func name(ofFile path: String) -> String? {
        guard let file = path.split(separator: "/").last else { return nil }
        let parts = file.split(separator: ".")
        guard parts.count >= 2, parts[1] == "ko" else { return nil }
        return canonical(parts[0])
    }

    private static func canonical(_ name: some StringProtocol) -> String {
        String(name.map { $0 == "-" ? "_" : $0 })
    }

    /// The `depends=` line of the module's .modinfo section: NUL-terminated, names separated by commas.
    static func dependencies(of module: [UInt8]) -> [String] {
        let key = Array("depends=".utf8)
        var index = 0
        while index + key.count < module.count {
            guard let candidate = module[index...].firstIndex(of: key[0]) else { return [] }
            if candidate > 0, module[candidate - 1] == 0, module[candidate...].starts(with: key) {
                let text = module[(candidate + key.count)...].prefix { $0 != 0 }
                return text.split(separator: 0x2c).map { canonical(String(decoding: $0, as: UTF8.self)) }
            }
            index = candidate + 1
        }
        return []
    }
}
