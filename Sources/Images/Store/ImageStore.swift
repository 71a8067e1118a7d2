import FoundationEssentials
package import LinuxHost
import SystemPackage

/// Finished roots by content, and the names that lead to them. All calls block: keep them off cooperative threads.
///
/// Any number of processes may use one store at once; a root is made by one of them while the others wait for it.
package struct ImageStore: Sendable {
    let paths: StorePaths
    let limits: ImageLimits
    private let demoApp: [UInt8]
    private let engines: [EngineSocket]

    /// `demoApp` is the program of the built-in image; `environment` says where container engines listen
    /// (`DOCKER_HOST`, `CONTAINER_HOST`, `XDG_RUNTIME_DIR`).
    package init(
        _ state: StateDirectory, demoApp: [UInt8], environment: [String: String], limits: ImageLimits = ImageLimits()
    ) {
        self.init(state, demoApp: demoApp, engines: EngineSocket.candidates(environment), limits: limits)
    }

    init(_ state: StateDirectory, demoApp: [UInt8], engines: [EngineSocket], limits: ImageLimits = ImageLimits()) {
        paths = StorePaths(state: state)
        self.demoApp = demoApp
        self.engines = engines
        self.limits = limits
    }

    /// The root of an image: at once when it is in the store, otherwise made now.
    ///
    /// After an error nothing of the attempt is left in the store. `progress` runs on the calling thread.
    package func resolve(
        _ source: ImageSource, progress: (ImageProgress) -> Void = { _ in }
    ) throws(ImageError) -> StoredImage {
        try paths.prepare()
        do throws(ImageError) {
            return try withoutActuallyEscaping(progress) { progress throws(ImageError) in
                switch source {
                case .demo: return try demo(progress)
                case .path(let path, let tag, let form): return try file(path, tag, form, progress)
                case .name(let reference):
                    return try NameResolver(store: self, engines: engines, progress: progress).resolve(reference)
                }
            }
        } catch {
            throw error.inImage(source.shown)
        }
    }

    /// Removes what killed processes left in the store; safe while others work in it.
    package func sweep() throws(ImageError) {
        try StoreSweep(paths: paths).run()
    }

    private func demo(_ progress: @escaping (ImageProgress) -> Void) throws(ImageError) -> StoredImage {
        guard !demoApp.isEmpty else {
            throw .notFound(
                image: "demo", reason: "this build of fcctl was made without it",
                remedy: "run guest/build and build again")
        }
        return try root(DemoImage.contents(app: demoApp), name: "demo", progress)
    }

    private func file(
        _ path: FilePath, _ tag: String?, _ form: ImageSource.Form, _ progress: @escaping (ImageProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        if Files.isDirectory(path) {
            let contents = try ImageContents(.folder(path), tag: tag, form: form, limits: limits)
            return try root(contents, name: contents.names.first ?? path.string, progress)
        }
        let file = try ImageFile(path)
        let table = NameTable(paths: paths)
        let entryName = "file \(file.stablePath) \(form) \(tag ?? "")"
        if file.isCompressed, let entry = table.entry(entryName), entry.stamp == file.stamp,
            let key = RootKey(entry.key), let (image, names) = load(key, name: path.string)
        {
            return image.called(names.first ?? path.string)
        }
        let archive = file.isCompressed ? try unpack(file, progress) : file
        let contents = try ImageContents(archive: archive, tag: tag, form: form, limits: limits)
        let image = try root(contents, name: contents.names.first ?? path.string, progress)
        if file.isCompressed {
            try table.set(entryName, RootKey(contents.configurationDigest), stamp: file.stamp)
        }
        return image
    }

    private func unpack(_ file: ImageFile, _ progress: (ImageProgress) -> Void) throws(ImageError) -> ImageFile {
        var spool = try Spool(paths)
        let blob = Blob.range(file, offset: 0, size: file.size)
        let source = try Decompressor(
            blob, subject: file.path.string, limits: limits, allowance: limits.bytes, hashing: false)
        var reported: UInt64 = 0
        while let bytes = try source.next() {
            do throws(HostError) { try spool.append(bytes) } catch { throw .host(error) }
            if source.expandedBytes >= reported + 16 << 20 {
                reported = source.expandedBytes
                progress(.unpacking(bytes: reported))
            }
        }
        return spool.file(standsFor: file.path)
    }
}

extension StoredImage {
    func called(_ name: String) -> StoredImage {
        StoredImage(name: name, digest: digest, rootfs: rootfs, configuration: configuration, bytes: bytes)
    }
}
