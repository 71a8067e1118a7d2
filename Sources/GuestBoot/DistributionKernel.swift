import Glibc
import LinuxHost
import SystemPackage

/// The kernel that the distribution ships for virtual machines, taken from its package without installing it.
struct DistributionKernel: Sendable {
    /// Where an installed kernel's files are.
    let boot: FilePath
    let modules: FilePath
    /// A package that depends on the current kernel of its kind.
    let package: String
    /// Fetches that package's kernel package into a folder and returns the file; see `AptPackage`.
    let fetch: @Sendable (_ package: String, _ folder: FilePath) throws(GuestBootError) -> FilePath

    static let host = DistributionKernel(
        boot: "/boot", modules: "/lib/modules", package: "linux-image-cloud-amd64", fetch: AptPackage.fetchKernel)

    /// Stores a kernel under `folder`: an installed cloud kernel, else the package's, else any installed one.
    func unpack(into folder: FilePath, progress: (String) -> Void) throws(GuestBootError) -> GuestKernel {
        var tried: [String] = []
        let installed = installedVersions()
        for version in installed where version.contains("cloud") {
            do throws(GuestBootError) { return try takeInstalled(version, into: folder, progress: progress) } catch {
                tried.append(error.description)
            }
        }
        do throws(GuestBootError) { return try takePackage(into: folder, progress: progress) } catch {
            tried.append(error.description)
        }
        for version in installed where !version.contains("cloud") {
            do throws(GuestBootError) { return try takeInstalled(version, into: folder, progress: progress) } catch {
                tried.append(error.description)
            }
        }
        throw .noKernel(tried: tried)
    }

    private func takePackage(into folder: FilePath, progress: (String) -> Void) throws(GuestBootError) -> GuestKernel {
        progress("fetching the package \(package) for its kernel (about 27 MB, nothing is installed)")
        let temporary = folder.appending(".package.\(getpid()).tmp")
        defer { try? Files.removeTree(temporary) }  // what stays is removed once this process is gone
        try onHost { () throws(HostError) in
            try Files.removeTree(temporary)
            try Files.makeDirectory(temporary)
        }
        let file = try fetch(package, temporary)
        let bytes = try onHost { () throws(HostError) in try Files.read(file, limit: 512 << 20) }
        let name = file.lastComponent?.string ?? package
        progress("unpacking the kernel of \(name)")
        let content = try KernelPackage(bytes, name: name)
        let modules = try KernelModules.resolve { name throws(GuestBootError) in try content.module(name) }
        return try GuestKernel.publish(
            name: "debian-\(content.version)", origin: "package \(name)",
            image: try CompressedKernel.unpack(content.image, name: "the kernel of \(name)"), modules: modules,
            in: folder)
    }

    private func takeInstalled(
        _ version: String, into folder: FilePath, progress: (String) -> Void
    ) throws(GuestBootError) -> GuestKernel {
        let path = boot.appending("vmlinuz-\(version)")
        progress("unpacking the installed kernel \(path.string)")
        let files = try onHost { () throws(HostError) in
            try moduleFiles(below: modules.appending(version).appending("kernel"))
        }
        // Without the list of built-in drivers, modules must do.
        let builtin = (try? Files.read(modules.appending(version).appending("modules.builtin"), limit: 4 << 20)) ?? []
        let hasDisks = builtin.split(separator: 0x0a).contains { $0.suffix(15) == Array("/virtio_mmio.ko".utf8)[...] }
        guard hasDisks || files["virtio_mmio"] != nil else {
            throw .notAKernel(path, reason: "it has no driver for the disks of a microVM (virtio_mmio)")
        }
        let compressed = try onHost { () throws(HostError) in try Files.read(path, limit: 256 << 20) }
        let image = try CompressedKernel.unpack(compressed, name: path.string)
        let needed = try KernelModules.resolve { name throws(GuestBootError) in
            guard let file = files[name] else { return nil }
            let bytes = try onHost { () throws(HostError) in try Files.read(file, limit: 64 << 20) }
            return try file.string.hasSuffix(".ko") ? bytes : ArchiveReader.decompress(bytes, name: file.string)
        }
        return try GuestKernel.publish(
            name: "installed-\(version)", origin: path.string, image: image, modules: needed, in: folder)
    }

    /// Newest name first.
    private func installedVersions() -> [String] {
        // A host without the folder has no installed kernel.
        let names = (try? Files.list(boot)) ?? []
        return names.filter { $0.hasPrefix("vmlinuz-") }.map { String($0.dropFirst(8)) }.reversed()
    }

    private func moduleFiles(below folder: FilePath) throws(HostError) -> [String: FilePath] {
        var files: [String: FilePath] = [:]
        for name in try Files.list(folder) {
            let path = folder.appending(name)
            if let module = KernelModules.name(ofFile: name) {
                files[module] = path
            } else if Files.isDirectory(path) {
                try files.merge(moduleFiles(below: path)) { first, _ in first }
            }
        }
        return files
    }
}
