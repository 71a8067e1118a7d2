import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import Images

/// What can only be seen from outside: how much memory a build takes, and what is left when it is killed.
@Suite(.serialized, .enabled(if: Tools.builder != nil, "needs the program image-benchmark beside the tests"))
struct ProcessTests {
    private func start(_ words: [String]) throws -> pid_t {
        let builder = try #require(Tools.builder)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        let arguments = ([builder.string] + words).map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process: pid_t = 0
        let result = posix_spawn(&process, builder.string, &actions, nil, arguments, environ)
        guard result == 0 else { throw HostError("run", builder.string, Errno(rawValue: result)) }
        return process
    }

    /// A tar of 10 GB of zeros, compressed: the compressed form of 64 MiB, over and over.
    private func bomb(_ compression: Compression) -> [UInt8] {
        var tar = TarBuilder()
        tar.add("zeros", .file, []) { $0.size = 8 << 30 - 1 }
        let piece = compression.apply([UInt8](repeating: 0, count: 64 << 20))
        var bytes = compression.apply(tar.bytes)
        for _ in 0..<160 { bytes += piece }
        return bytes
    }

    @Test(arguments: ["gzip", "zstd"])
    func `ten gigabytes of zeros end early, in little memory`(kind: String) throws {
        let compression = try #require(Compression(rawValue: kind))
        try withScratch { scratch in
            let bytes = bomb(compression)
            let folder = scratch.appending("layout")
            try Files.makeDirectory(folder.appending("blobs/sha256"))
            let layer = try TestImage.put(bytes, folder, compression.mediaType)
            var image = TestImage([BrokenLayers.sample])
            image.diffIDs = ["sha256:" + SHA256.hash(bytes)]
            let configuration = try TestImage.put(
                Array(image.configurationJSON.utf8), folder, "application/vnd.oci.image.config.v1+json")
            let type = "application/vnd.oci.image.manifest.v1+json"
            let manifest =
                #"{"schemaVersion":2,"mediaType":"\#(type)","config":\#(configuration),"layers":[\#(layer)]}"#
            try TestImage.writeIndex(folder, [try TestImage.put(Array(manifest.utf8), folder, type)])
            let clock = ContinuousClock()
            let began = clock.now
            let builder = try #require(Tools.builder).string
            let result = try run([builder, scratch.appending("state").string, folder.string])
            let seconds = clock.now - began
            #expect(result.status == 1 && result.output.contains("decompression bomb"), "\(result.output)")
            let words = result.output.split(whereSeparator: { " \n".contains($0) })
            let peak = words.firstIndex(of: "peak").flatMap { Int(words[$0 + 1]) }
            #expect(try #require(peak) < 128 << 10, "peak memory in KiB")
            // A bound against reading it all, which takes minutes here; not a measurement.
            #expect(seconds < .seconds(30))
            let store = ImageStore.scratch(scratch)
            #expect(try store.leftovers() == [])
            #expect(try store.roots() == [])
        }
    }

    @Test func `a builder that is killed leaves nothing that the next one does not clear away`() throws {
        try withScratch { scratch in
            var tar = TarBuilder()
            for index in 0..<400 {
                tar.add("f\(index)", .file, [UInt8](repeating: UInt8(index & 0xff), count: 50_000 + index))
            }
            try TestImage([tar], .gzip).writeLayout(scratch.appending("layout"))
            let source = ImageSource.path(scratch.appending("layout"), tag: nil, .any)
            let expected = try SHA256.hash(file: ImageStore.scratch(scratch.appending("other")).resolve(source).rootfs)
            let store = ImageStore.scratch(scratch)
            try store.paths.prepare()
            for round in 0..<12 {
                let process = try start([scratch.appending("state").string, scratch.appending("layout").string])
                // Killed at a point that its own progress decides: when the file it writes has reached some size.
                while true {
                    let names = try Files.list(store.paths.folder).filter {
                        $0.hasSuffix(".building") || $0.hasSuffix(".ext4")
                    }
                    let size = names.first.flatMap { try? ImageFile(store.paths.folder.appending($0)).size } ?? 0
                    if size >= UInt64(round) << 20 || waitpid(process, nil, WNOHANG) != 0 { break }
                }
                kill(process, SIGKILL)
                waitpid(process, nil, 0)
                try store.sweep()
                #expect(try store.leftovers() == [], "killed in round \(round)")
                for root in try store.roots() {
                    #expect(try SHA256.hash(file: store.paths.folder.appending(root)) == expected)
                    try Files.remove(store.paths.folder.appending(root))
                }
            }
            #expect(try SHA256.hash(file: store.resolve(source).rootfs) == expected)
        }
    }
}
