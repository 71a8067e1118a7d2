import Glibc
package import LinuxHost
package import SystemPackage

/// The archive a guest starts from: PID 1, the kernel's modules, and what this machine shall run.
package enum Initramfs {
    /// The part that every machine with this kernel shares, made once and kept under its content's hash.
    package static func base(for kernel: GuestKernel, state: StateDirectory) throws(GuestBootError) -> FilePath {
        let program = GuestAssets.initProgram
        guard !program.isEmpty else { throw .guestNotBuilt }
        do throws(HostError) {
            let hash = SHA256()
            hash.update(program)
            hash.update(Array(kernel.digest.utf8))
            let path = state.initramfs.appending("\(hash.finish()).cpio")
            if Files.exists(path) { return path }
            var modules: [(String, [UInt8])] = []
            for file in kernel.modules {
                modules.append((file.lastComponent?.string ?? "", try Files.read(file, limit: 64 << 20)))
            }
            try Files.makeDirectory(state.initramfs)
            try AtomicFile.write(archive(program: program, modules: modules), to: path, mode: 0o444)
            return path
        } catch {
            throw .host(error)
        }
    }

    /// Writes one machine's initramfs: the base archive followed by one with the run configuration, which the kernel
    /// unpacks over it. The file is replaced and removed again on an error. `mode` decides who may read the
    /// environment in it: keep it in a private folder.
    package static func write(
        base: FilePath, runConfiguration: RunConfiguration, to path: FilePath, mode: UInt32 = 0o444
    ) throws(GuestBootError) {
        let configuration: [UInt8]
        do throws(RunConfigurationError) { configuration = try runConfiguration.encoded() } catch {
            throw .runConfiguration(error)
        }
        var extra = CpioArchive()
        extra.addFile("run.config", mode: 0o600, content: configuration)
        do throws(HostError) {
            let bytes = try Files.read(base, limit: 256 << 20) + extra.finish()
            try Files.remove(path)
            let file = try Files.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
            do throws(HostError) { try AtomicFile.writeAll(bytes, to: file, path: path) } catch {
                try? Files.remove(path)  // the first error is the one to report
                throw error
            }
        } catch {
            throw .host(error)
        }
    }

    /// The kernel opens /dev/console for PID 1 before anything is mounted.
    static func archive(program: [UInt8], modules: [(name: String, content: [UInt8])]) -> [UInt8] {
        var archive = CpioArchive()
        archive.addDirectory("dev")
        archive.addCharacterDevice("dev/console", mode: 0o600, major: 5, minor: 1)
        archive.addFile("init", mode: 0o755, content: program)
        archive.addDirectory("modules")
        for module in modules.sorted(by: { $0.name < $1.name }) {
            archive.addFile("modules/\(module.name)", mode: 0o644, content: module.content)
        }
        return archive.finish()
    }
}
