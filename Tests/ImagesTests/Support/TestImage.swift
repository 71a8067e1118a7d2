import Glibc
import LinuxHost
import SystemPackage

@testable import Images

/// An image to be written as an OCI layout or an archive; every field can be made to lie before it is written.
struct TestImage: Sendable {
    var layers: [[UInt8]] = []
    var compressions: [Compression] = []
    var configuration = #""Cmd":["/bin/app"]"#
    var platform = #""architecture":"\#(Platform.architecture)","os":"linux""#
    var diffIDs: [String]?
    /// Stored layers after their digests are taken: what is on disk differs from what the manifest says.
    var corrupt: @Sendable (inout [[UInt8]]) -> Void = { _ in }
    var layerDigests: [String]?
    var layerSizes: [Int]?
    var layerMediaTypes: [String]?
    var configurationMediaType = "application/vnd.oci.image.config.v1+json"
    var manifestMediaType = "application/vnd.oci.image.manifest.v1+json"
    var schemaVersion = 2

    init(_ layers: [TarBuilder] = [], _ compression: Compression = .plain) {
        self.layers = layers.map { $0.finished() }
        compressions = layers.map { _ in compression }
    }

    init(tar: [UInt8], _ compression: Compression = .plain) {
        layers = [tar]
        compressions = [compression]
    }

    var configurationJSON: String {
        let ids = diffIDs ?? layers.map { "sha256:" + SHA256.hash($0) }
        let list = ids.map { #""\#($0)""# }.joined(separator: ",")
        return "{\(platform),\"config\":{\(configuration)},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\(list)]}}"
    }

    /// Writes an OCI layout and returns the descriptor of its manifest; `tag` names it in the index.
    @discardableResult
    func writeLayout(_ folder: FilePath, tag: String? = "latest", writesIndex: Bool = true) throws -> String {
        try Files.makeDirectory(folder.appending("blobs/sha256"))
        let configuration = try TestImage.put(Array(configurationJSON.utf8), folder, configurationMediaType)
        let honest = zip(layers, compressions).map { $1.apply($0) }
        var stored = honest
        corrupt(&stored)
        var descriptors: [String] = []
        for (index, blob) in stored.enumerated() {
            let digest = layerDigests?[index] ?? SHA256.hash(honest[index])
            let type = layerMediaTypes?[index] ?? compressions[index].mediaType
            try AtomicFile.write(blob, to: folder.appending("blobs/sha256/" + digest))
            let size = layerSizes?[index] ?? blob.count
            descriptors.append(#"{"mediaType":"\#(type)","digest":"sha256:\#(digest)","size":\#(size)}"#)
        }
        let manifest =
            #"{"schemaVersion":\#(schemaVersion),"mediaType":"\#(manifestMediaType)","config":\#(configuration),"#
            + "\"layers\":[\(descriptors.joined(separator: ","))]}"
        let name = tag.map { #""annotations":{"org.opencontainers.image.ref.name":"\#($0)"}"# }
        let descriptor = try TestImage.put(Array(manifest.utf8), folder, manifestMediaType, more: name)
        if writesIndex { try TestImage.writeIndex(folder, [descriptor]) }
        return descriptor
    }

    static func writeIndex(_ folder: FilePath, _ descriptors: [String]) throws {
        let index = #"{"schemaVersion":2,"manifests":[\#(descriptors.joined(separator: ","))]}"#
        try AtomicFile.write(Array(index.utf8), to: folder.appending("index.json"))
        try AtomicFile.write(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8), to: folder.appending("oci-layout"))
    }

    static func put(_ bytes: [UInt8], _ folder: FilePath, _ type: String, more: String? = nil) throws -> String {
        let digest = SHA256.hash(bytes)
        try AtomicFile.write(bytes, to: folder.appending("blobs/sha256/" + digest))
        let extra = more.map { "," + $0 } ?? ""
        return #"{"mediaType":"\#(type)","digest":"sha256:\#(digest)","size":\#(bytes.count)\#(extra)}"#
    }

    /// What `docker save` wrote for many years: folders per layer, a configuration named for its digest.
    func dockerArchive(names: [String] = ["app:latest"]) -> [UInt8] {
        var tar = TarBuilder()
        let manifest = addTo(&tar, names: names)
        tar.file("manifest.json", "[\(manifest)]")
        return tar.finished()
    }

    /// Adds the files of this image and returns its entry for manifest.json.
    func addTo(_ tar: inout TarBuilder, names: [String]) -> String {
        let json = configurationJSON
        let name = SHA256.hash(Array(json.utf8)) + ".json"
        tar.file(name, json)
        var paths: [String] = []
        for (index, layer) in layers.enumerated() {
            let folder = SHA256.hash(Array("\(index) \(name)".utf8))
            tar.folder(folder + "/")
            tar.add(folder + "/layer.tar", .file, layer)
            paths.append(#""\#(folder)/layer.tar""#)
        }
        let tags = names.map { #""\#($0)""# }.joined(separator: ",")
        return #"{"Config":"\#(name)","RepoTags":[\#(tags)],"Layers":[\#(paths.joined(separator: ","))]}"#
    }
}

/// An OCI layout as one tar.
func archive(of folder: FilePath) throws -> [UInt8] {
    var tar = TarBuilder()
    for name in ["oci-layout", "index.json"] { tar.add(name, .file, try Files.read(folder.appending(name))) }
    for name in try Files.list(folder.appending("blobs/sha256")) {
        tar.add("blobs/sha256/" + name, .file, try Files.read(folder.appending("blobs/sha256/" + name), limit: 1 << 30))
    }
    return tar.finished()
}
