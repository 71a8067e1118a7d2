import CArchive
import Glibc

/// Owner, permissions, time and extended attributes of an entry.
struct Attributes: Equatable {
    var permissions: UInt16 = 0o755
    var user: UInt32 = 0
    var group: UInt32 = 0
    var seconds: Int64 = 0
    var nanoseconds: UInt32 = 0
    /// Sorted by name.
    var extended: [ExtendedAttribute] = []
}

struct ExtendedAttribute: Equatable {
    let name: String
    let value: [UInt8]
}

/// One entry of a layer's tar, as read and not yet judged.
struct LayerEntry {
    enum Kind: Equatable {
        case file(size: UInt64)
        case directory
        case symbolicLink([UInt8])
        case hardLink([UInt8])
        case device(isBlock: Bool, major: UInt32, minor: UInt32)
        case fifo
    }

    let path: [UInt8]
    let kind: Kind
    let attributes: Attributes

    /// Reads what libarchive parsed; throws for types and numbers that no file system can hold.
    init(_ entry: OpaquePointer, subject: String) throws(ImageError) {
        guard let name = archive_entry_pathname(entry) else {
            throw .badData(subject: subject, reason: "an entry has no name")
        }
        path = LayerEntry.bytes(name)
        let shown = "\(subject), entry \(printable(path))"
        if let target = archive_entry_hardlink(entry) {
            kind = .hardLink(LayerEntry.bytes(target))
        } else {
            kind = try LayerEntry.kind(entry, subject: shown)
        }
        attributes = try LayerEntry.attributes(entry, subject: shown)
    }

    private static func kind(_ entry: OpaquePointer, subject: String) throws(ImageError) -> Kind {
        switch mode_t(archive_entry_filetype(entry)) {
        case S_IFREG:
            let size = archive_entry_size(entry)
            guard size >= 0 else { throw .badData(subject: subject, reason: "its size is negative") }
            return .file(size: UInt64(size))
        case S_IFDIR: return .directory
        case S_IFLNK:
            guard let target = archive_entry_symlink(entry), target.pointee != 0 else {
                throw .badData(subject: subject, reason: "a symbolic link without a target")
            }
            return .symbolicLink(bytes(target))
        case S_IFCHR, S_IFBLK:
            let isBlock = mode_t(archive_entry_filetype(entry)) == S_IFBLK
            let (major, minor) = (archive_entry_rdevmajor(entry), archive_entry_rdevminor(entry))
            guard major < 1 << 12, minor < 1 << 20 else {
                throw .badData(subject: subject, reason: "a device number that Linux does not have")
            }
            return .device(isBlock: isBlock, major: UInt32(major), minor: UInt32(minor))
        case S_IFIFO: return .fifo
        default: throw .badData(subject: subject, reason: "a type of entry that file systems do not have")
        }
    }

    private static func attributes(_ entry: OpaquePointer, subject: String) throws(ImageError) -> Attributes {
        var result = Attributes()
        result.permissions = UInt16(archive_entry_perm(entry) & 0o7777)
        let (user, group) = (archive_entry_uid(entry), archive_entry_gid(entry))
        guard (0..<Int64(UInt32.max)).contains(user), (0..<Int64(UInt32.max)).contains(group) else {
            throw .badData(subject: subject, reason: "its owner \(user):\(group) is not a user of any Linux")
        }
        (result.user, result.group) = (UInt32(user), UInt32(group))
        result.seconds = Int64(archive_entry_mtime(entry))
        result.nanoseconds = UInt32(clamping: archive_entry_mtime_nsec(entry))
        var total = 0
        archive_entry_xattr_reset(entry)
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var count = 0
        while archive_entry_xattr_next(entry, &name, &value, &count) == ARCHIVE_OK {
            guard let name else { continue }
            let text = String(cString: name)
            // In a PAX header an empty value takes a record back, and every tool that writes images goes by that.
            guard isKept(text), count > 0 else { continue }
            total += count + text.utf8.count + 16
            // One 4 KiB block less its header is what ext4 has for all attributes of a file.
            guard total <= 4000, text.utf8.count <= 255 else {
                throw .badData(
                    subject: subject, reason: "its extended attributes are larger than ext4 can hold (4 KiB)")
            }
            result.extended.removeAll { $0.name == text }
            result.extended.append(
                ExtendedAttribute(name: text, value: [UInt8](UnsafeRawBufferPointer(start: value, count: count))))
        }
        result.extended.sort { $0.name < $1.name }
        return result
    }

    /// Labels of the host that built the image mean nothing in the guest, and attributes of overlayfs would steer the
    /// overlay that the guest itself lays over this root.
    private static func isKept(_ name: String) -> Bool {
        if name == "security.selinux" || name == "system.nfs4_acl" || name.hasPrefix("trusted.overlay.") {
            return false
        }
        if ["user.", "trusted.", "security."].contains(where: { name.hasPrefix($0) && name.utf8.count > $0.utf8.count })
        {
            return true
        }
        return name == "system.posix_acl_access" || name == "system.posix_acl_default"
    }

    private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}

/// A path of an image for a message: shortened, with what a terminal might obey made visible.
func printable(_ bytes: some Collection<UInt8>) -> String {
    var text = ""
    for byte in bytes.prefix(120) {
        text += (0x20..<0x7f).contains(byte) ? String(Character(Unicode.Scalar(byte))) : "\\x" + hexadecimalByte(byte)
    }
    return "\"" + text + (bytes.count > 120 ? "…" : "") + "\""
}

private func hexadecimalByte(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
}
