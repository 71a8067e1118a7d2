package import SystemPackage

/// Every path that fcctl keeps on disk, below one root.
package struct StateDirectory: Sendable, Hashable {
    package let root: FilePath

    package init(_ root: FilePath) {
        self.root = root
    }

    /// VMM binaries and guest kernels that were downloaded or taken from a package.
    package var binaries: FilePath { root.appending("bin") }
    package var kernels: FilePath { binaries.appending("kernel") }
    /// One folder a machine: `metadata.json`, the VMM's socket, the scratch disk, the console log.
    package var machines: FilePath { root.appending("vms") }
    package func machine(_ id: String) -> FilePath { machines.appending(id) }
    /// Finished roots: `<digest>.ext4` beside `<digest>.json`; also the local names of images.
    package var images: FilePath { root.appending("rootfs-cache") }
    package var snapshots: FilePath { root.appending("snapshots") }
    /// One lock file per gateway name and per thing that only one process may make at a time.
    package var locks: FilePath { root.appending("locks") }
    /// Initramfs archives by content.
    package var initramfs: FilePath { root.appending("initramfs") }
    /// Chroots of jailed VMMs; removed with the machine.
    package var jails: FilePath { root.appending("jails") }

    /// Creates the folders; every one is private to its owner.
    package func prepare() throws(HostError) {
        for folder in [root, binaries, kernels, machines, images, snapshots, locks, initramfs, jails] {
            try Files.makeDirectory(folder)
        }
    }
}
