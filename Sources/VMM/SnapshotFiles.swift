package import SystemPackage

/// The folder of one snapshot and what a VMM finds in it.
package struct SnapshotFiles: Sendable, Hashable {
    package let directory: FilePath

    package init(_ directory: FilePath) {
        self.directory = directory
    }

    /// The guest's memory; its length is that of the memory, its empty parts take no space.
    package var memory: FilePath { directory.appending("mem") }
    /// The devices and vCPUs, in the VMM's own format.
    package var state: FilePath { directory.appending("state") }
    /// The writable disk as it was; only where the machines have one.
    package var scratchDisk: FilePath { directory.appending("scratch") }
}
