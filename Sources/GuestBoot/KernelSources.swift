import Glibc
package import LinuxHost
package import SystemPackage

/// A file on the net with the hash it must have.
struct KernelPin {
    let name: String
    let address: String
    let sha256: String

    /// The guest kernel of Firecracker's own tests: everything built in, no modules.
    static let firecrackerCI = KernelPin(
        name: "firecracker-ci-6.1.155",
        address: "https://s3.amazonaws.com/spec.ccfc.min/firecracker-ci/v1.15/x86_64/vmlinux-6.1.155",
        sha256: "e20e46d0c36c55c0d1014eb20576171b3f3d922260d9f792017aeff53af3d4f2")
}

extension GuestKernel {
    /// Finds the guest kernel: the file `explicit`, the file FCCTL_KERNEL, one that is stored already, the pinned
    /// download, the distribution's. Blocks, the first time for as long as a download or the unpacking of a package
    /// takes; two processes at once do it only once. `assetsURL` replaces the download's address up to the file name.
    /// Every source that is tried in vain is told to `progress`.
    package static func locate(
        explicit: FilePath?, environment: [String: String], state: StateDirectory, assetsURL: String? = nil,
        progress: (String) -> Void
    ) throws(GuestBootError) -> GuestKernel {
        try locate(
            explicit: explicit, environment: environment, state: state, assetsURL: assetsURL, pin: .firecrackerCI,
            distribution: .host, progress: progress)
    }

    static func locate(
        explicit: FilePath?, environment: [String: String], state: StateDirectory, assetsURL: String?, pin: KernelPin,
        distribution: DistributionKernel, progress: (String) -> Void
    ) throws(GuestBootError) -> GuestKernel {
        if let explicit { return try load(image: explicit) }
        if let path = environment["FCCTL_KERNEL"], !path.isEmpty { return try load(image: FilePath(path)) }
        if let kernel = stored(in: state, pin: pin) { return kernel }
        let lock = try onHost { () throws(HostError) in
            try Files.makeDirectory(state.kernels)
            try Files.makeDirectory(state.locks)
            let path = state.locks.appending("kernel.lock")
            if let free = try FileLock.tryLock(path) { return free }
            progress("another fcctl is fetching the guest kernel: waiting for it")
            return try FileLock(waitingFor: path)
        }
        defer { withExtendedLifetime(lock) {} }
        if let kernel = stored(in: state, pin: pin) { return kernel }

        var tried: [String] = []
        let address = assetsURL ?? environment["FCCTL_ASSETS_URL"]
        do throws(GuestBootError) {
            return try download(pin, assetsURL: address, state: state, progress: progress)
        } catch {
            tried.append(error.description)
            progress(error.description)
        }
        do throws(GuestBootError) {
            return try distribution.unpack(into: state.kernels, progress: progress)
        } catch {
            let reasons = if case .noKernel(let reasons) = error { reasons } else { [error.description] }
            for reason in reasons { progress(reason) }
            tried += reasons
        }
        throw .noKernel(tried: tried)
    }

    /// The pinned one first, then the newest name.
    private static func stored(in state: StateDirectory, pin: KernelPin) -> GuestKernel? {
        // A folder that cannot be listed is reported when something is stored in it.
        let names = ((try? Files.list(state.kernels)) ?? []).filter { !$0.hasPrefix(".") }
        for name in (names.contains(pin.name) ? [pin.name] : []) + names.reversed() {
            if let kernel = load(state.kernels.appending(name)) { return kernel }
        }
        return nil
    }

    private static func download(
        _ pin: KernelPin, assetsURL: String?, state: StateDirectory, progress: (String) -> Void
    ) throws(GuestBootError) -> GuestKernel {
        let file = pin.address.split(separator: "/").last.map(String.init) ?? "vmlinux"
        let address = assetsURL.map { ($0.hasSuffix("/") ? $0 : $0 + "/") + file } ?? pin.address
        progress("downloading the guest kernel from \(address)")
        let temporary = state.kernels.appending(".\(pin.name)-download.\(getpid()).tmp")
        defer { try? Files.remove(temporary) }  // what stays is removed once this process is gone
        do throws(TransferError) {
            try Transfer.download(address, sha256: pin.sha256, to: temporary)
        } catch {
            throw .unreadable("the guest kernel", reason: "\(error)")
        }
        let image = try onHost { () throws(HostError) in try Files.read(temporary, limit: 512 << 20) }
        return try publish(name: pin.name, origin: "downloaded", image: image, modules: [], in: state.kernels)
    }
}
