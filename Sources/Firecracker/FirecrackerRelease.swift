import CArchive
import Glibc
import LinuxHost
package import SystemPackage
package import VMM

/// A release archive that is known by its digest.
package struct FirecrackerRelease: Sendable, Hashable {
    package let version: FirecrackerVersion
    let address: String
    let sha256: String
    let members: Members

    struct Members: Sendable, Hashable {
        let firecracker: String
        let jailer: String
    }

    /// Above the security floor, and without the vsock fault of the releases after it.
    package static let pinned = FirecrackerRelease(
        version: FirecrackerVersion(1, 15, 1),
        address:
            "https://github.com/firecracker-microvm/firecracker/releases/download/v1.15.1/firecracker-v1.15.1-x86_64.tgz",
        sha256: "d4a32ab2322d887ca1bc4a4e7afa9cc35393e6362dfc2b3becb389d362e4275a",
        members: Members(
            firecracker: "release-v1.15.1-x86_64/firecracker-v1.15.1-x86_64",
            jailer: "release-v1.15.1-x86_64/jailer-v1.15.1-x86_64"))

    init(version: FirecrackerVersion, address: String, sha256: String, members: Members) {
        self.version = version
        self.address = address
        self.sha256 = sha256
        self.members = members
    }

    /// Downloads the archive, verifies its digest and puts `firecracker` and `jailer` into `folder`, both or none.
    /// `FCCTL_ASSETS_URL` replaces the address up to the file name. Blocks; ends after `stallSeconds` without a byte.
    /// Throws `.unavailable` with the address and what to do instead.
    package func install(
        into folder: FilePath, environment: [String: String], stallSeconds: Int = 30
    ) throws(VMMError) -> FirecrackerBinaries {
        #if !arch(x86_64)
            throw .unavailable(.firecracker, reason: "there is no pinned release for this CPU: put firecracker on PATH")
        #else
            let file = address.split(separator: "/").last.map(String.init) ?? "firecracker.tgz"
            let source = environment["FCCTL_ASSETS_URL"].map { ($0.hasSuffix("/") ? $0 : $0 + "/") + file } ?? address
            let archive = folder.appending("firecracker-\(version).\(getpid()).tgz")
            defer { try? Files.remove(archive) }  // it is unpacked or useless by then
            do throws(TransferError) {
                do throws(HostError) { try Files.makeDirectory(folder) } catch { throw .disk(error) }
                try Transfer.download(source, sha256: sha256, to: archive, stallSeconds: stallSeconds)
            } catch {
                if case .disk(let error) = error { throw .host(error) }
                throw .unavailable(
                    .firecracker,
                    reason: "\(error); put firecracker and jailer of \(version) on PATH, or use --vmm qemu")
            }
            let unpacked: [FilePath]
            do throws(HostError) {
                unpacked = try ArchiveMembers.extract(
                    [(members.jailer, "jailer"), (members.firecracker, "firecracker")], from: archive, into: folder)
            } catch {
                throw .host(error)
            }
            return FirecrackerBinaries(firecracker: unpacked[1], jailer: unpacked[0], version: version)
        #endif
    }
}

/// Single files out of a compressed tar archive.
enum ArchiveMembers {
    /// Writes each member as an executable under its new name; none appears unless all are in the archive.
    static func extract(
        _ wanted: [(member: String, name: String)], from path: FilePath, into folder: FilePath
    ) throws(HostError) -> [FilePath] {
        guard let archive = archive_read_new() else { throw HostError("read", path.string, .noMemory) }
        defer { archive_read_free(archive) }
        archive_read_support_filter_gzip(archive)
        archive_read_support_format_tar(archive)
        guard archive_read_open_filename(archive, path.string, 64 << 10) == ARCHIVE_OK else {
            throw HostError("read the archive", path.string, Errno(rawValue: archive_errno(archive)))
        }
        let temporaries = wanted.map { folder.appending(".\($0.name).\(getpid()).tmp") }
        defer { for temporary in temporaries { try? Files.remove(temporary) } }  // gone already after the rename
        var left = Set(wanted.map(\.member))
        var entry: OpaquePointer?
        while !left.isEmpty {
            let result = archive_read_next_header(archive, &entry)
            if result == ARCHIVE_EOF { break }
            guard result == ARCHIVE_OK || result == ARCHIVE_WARN, let entry else {
                throw HostError("read the archive", path.string, Errno(rawValue: archive_errno(archive)))
            }
            guard let pointer = archive_entry_pathname(entry) else { continue }
            let member = String(cString: pointer)
            guard let index = wanted.firstIndex(where: { $0.member == member }), left.remove(member) != nil else {
                continue
            }
            try write(archive, to: temporaries[index], from: path)
        }
        if let missing = left.sorted().first {
            throw HostError("find \(missing) in", path.string, .noSuchFileOrDirectory)
        }
        var results: [FilePath] = []
        for (index, temporary) in temporaries.enumerated() {
            let target = folder.appending(wanted[index].name)
            try Files.rename(temporary, to: target)
            results.append(target)
        }
        return results
    }

    private static func write(_ archive: OpaquePointer, to target: FilePath, from path: FilePath) throws(HostError) {
        let file = try Files.open(target, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o755)
        guard archive_read_data_into_fd(archive, file.rawValue) == ARCHIVE_OK else {
            throw HostError("unpack", path.string, Errno(rawValue: archive_errno(archive)))
        }
        if fsync(file.rawValue) != 0 { throw HostError("sync", target.string, Errno(rawValue: errno)) }
    }
}
