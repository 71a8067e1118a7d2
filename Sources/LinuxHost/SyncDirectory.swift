import CLinuxHost
package import SystemPackage

extension Files {
    /// Syncs a folder, so that a rename inside it survives a power loss.
    package static func syncDirectory(_ path: FilePath) throws(HostError) {
        let result = path.withPlatformString { lh_sync_directory($0) }
        try HostError.check(result, "sync", path.string)
    }
}
