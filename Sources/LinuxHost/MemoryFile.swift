import CLinuxHost
import SystemPackage

/// A file without a name that lives as long as a descriptor of it.
package enum MemoryFile {
    package static func make(named name: String) throws(HostError) -> OwnedDescriptor {
        OwnedDescriptor(try HostError.check(lh_memory_file(name), "make a file in memory for", name))
    }

    /// Copies `count` bytes from the start of `source` to the end of `target` in the kernel.
    package static func copy(
        _ source: borrowing OwnedDescriptor, to target: borrowing OwnedDescriptor, count: Int64, name: String
    ) throws(HostError) {
        try HostError.check(lh_copy(source.rawValue, target.rawValue, count), "copy", name)
    }
}
