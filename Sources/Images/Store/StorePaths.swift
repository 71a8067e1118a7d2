import LinuxHost
import SystemPackage

/// Every file of the image store.
struct StorePaths {
    let state: StateDirectory

    var folder: FilePath { state.images }
    var names: FilePath { state.images.appending("names") }
    func root(_ key: RootKey) -> FilePath { folder.appending(key.text + ".ext4") }
    func record(_ key: RootKey) -> FilePath { folder.appending(key.text + ".json") }
    /// A root that is being made; whoever makes it holds `lock(key)`.
    func building(_ key: RootKey) -> FilePath { folder.appending("." + key.text + ".building") }
    func lock(_ key: RootKey) -> FilePath { state.locks.appending("image-" + key.text) }
    /// Held while the name table is written.
    var namesLock: FilePath { state.locks.appending("image-names") }
    /// Held from making a spool file until it has lost its name, so that one with a name is nobody's.
    var spoolLock: FilePath { state.locks.appending("image-spool") }

    func prepare() throws(ImageError) {
        for path in [folder, names, state.locks] {
            try onHost { () throws(HostError) in try Files.makeDirectory(path) }
        }
    }
}
