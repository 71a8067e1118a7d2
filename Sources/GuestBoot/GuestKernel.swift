import FoundationEssentials
import Glibc
import LinuxHost
package import SystemPackage

/// A kernel image and the modules its initramfs needs, in loading order.
package struct GuestKernel: Sendable, Hashable {
    /// An uncompressed x86-64 ELF, readable by everyone who can reach it.
    package let image: FilePath
    package let modules: [FilePath]
    /// Hash over the image and its modules; part of what identifies a snapshot.
    package let digest: String
    /// Name and origin for people.
    package let description: String
}

extension GuestKernel {
    /// What is stored beside an image as `kernel.json`.
    struct Record: Codable, Equatable {
        var name: String
        var origin: String
        var digest: String
        var imageBytes: Int
        var modules: [String]
    }

    /// Reads a folder of the state directory; nil when it is not a complete kernel.
    static func load(_ folder: FilePath) -> GuestKernel? {
        let image = folder.appending("vmlinux")
        // An unreadable record is a kernel that is not there: it is made again.
        guard let bytes = try? Files.read(folder.appending("kernel.json"), limit: 1 << 20),
            let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)),
            size(of: image) == record.imageBytes
        else { return nil }
        let modules = record.modules.map { folder.appending("modules").appending($0) }
        guard modules.allSatisfy(Files.exists) else { return nil }
        return GuestKernel(
            image: image, modules: modules, digest: record.digest, description: "\(record.name) (\(record.origin))")
    }

    /// An image of the user's own, used where it is.
    static func load(image: FilePath) throws(GuestBootError) -> GuestKernel {
        try checkImage(image)
        let digest = try onHost { () throws(HostError) in try SHA256.hash(file: image) }
        return GuestKernel(image: image, modules: [], digest: digest, description: image.string)
    }

    /// Stores a kernel under `folder`, complete or not at all, and returns it. The caller holds the kernel lock.
    static func publish(
        name: String, origin: String, image: [UInt8], modules: [(name: String, content: [UInt8])], in folder: FilePath
    ) throws(GuestBootError) -> GuestKernel {
        _ = try KernelImage(Array(image.prefix(KernelImage.headBytes)), path: FilePath(name))
        let target = folder.appending(name)
        let temporary = folder.appending(".\(name).\(getpid()).tmp")
        try onHost { () throws(HostError) in
            defer { try? Files.removeTree(temporary) }  // gone already after the rename
            try Files.removeTree(temporary)
            try Files.makeDirectory(temporary.appending("modules"))
            let hash = SHA256()
            hash.update(image)
            try AtomicFile.write(image, to: temporary.appending("vmlinux"), mode: 0o444)
            var names: [String] = []
            for (index, module) in modules.enumerated() {
                let number = index < 10 ? "0\(index)" : "\(index)"
                names.append("\(number)-\(module.name).ko")
                hash.update(Array("\(module.name) \(module.content.count) ".utf8))
                hash.update(module.content)
                try AtomicFile.write(
                    module.content, to: temporary.appending("modules").appending(names[index]), mode: 0o444)
            }
            let record = Record(
                name: name, origin: origin, digest: hash.finish(), imageBytes: image.count, modules: names)
            try AtomicFile.write(json(record), to: temporary.appending("kernel.json"), mode: 0o444)
            try Files.removeTree(target)
            try Files.rename(temporary, to: target)
        }
        guard let kernel = load(target) else {
            throw .unreadable(target.string, reason: "it changed while it was being stored")
        }
        return kernel
    }

    /// Reads the first bytes of `path` and refuses what is not an x86-64 kernel.
    static func checkImage(_ path: FilePath) throws(GuestBootError) {
        let head = try onHost { () throws(HostError) in
            try KernelImage.read(try Files.open(path), 0, KernelImage.headBytes, path)
        }
        _ = try KernelImage(head, path: path)
    }

    private static func size(of path: FilePath) -> Int? {
        path.withPlatformString { pointer in
            var status = stat()
            return stat(pointer, &status) == 0 ? Int(status.st_size) : nil
        }
    }

    private static func json(_ record: Record) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        guard let data = try? encoder.encode(record) else {
            preconditionFailure("strings and integers always encode")
        }
        return Array(data)
    }
}
