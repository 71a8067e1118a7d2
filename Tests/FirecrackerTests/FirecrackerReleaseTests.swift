import LinuxHost
import NIOCore
import NIOPosix
import SystemPackage
import TestSupport
import Testing
import VMM

@testable import Firecracker

/// Downloads against a real HTTP server that answers one request with given bytes.
@Suite struct FirecrackerReleaseTests {
    private static let script = "#!/bin/sh\necho Firecracker v1.15.1\n"

    /// A tgz with the two members of a release, made by tar.
    private func archive(in folder: FilePath, members: [String] = ["firecracker-x", "jailer-x"]) throws -> [UInt8] {
        let source = folder.appending("release")
        try Files.makeDirectory(source)
        for member in members {
            try AtomicFile.write(Array(Self.script.utf8), to: source.appending(member), mode: 0o755)
        }
        let target = folder.appending("release.tgz")
        let output = try CommandOutput.of(
            "/usr/bin/tar", ["-czf", target.string, "-C", folder.string, "release"],
            environment: ["PATH": "/usr/bin:/bin"])
        try #require(output.status == .exited(0), "\(output.text)")
        return try Files.read(target)
    }

    private func release(_ bytes: [UInt8]) -> FirecrackerRelease {
        FirecrackerRelease(
            version: FirecrackerVersion(1, 15, 1), address: "https://example.org/releases/release.tgz",
            sha256: SHA256.hash(bytes),
            members: .init(firecracker: "release/firecracker-x", jailer: "release/jailer-x"))
    }

    /// Serves `answer` and returns what `install` did with it.
    private func install(
        _ release: FirecrackerRelease, from answer: [UInt8], thenHang: Bool = false, in folder: FilePath
    ) async throws -> Result<FirecrackerBinaries, VMMError> {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(OneAnswer(answer, thenHang: thenHang))
                }
            }.bind(host: "127.0.0.1", port: 0).get()
        let port = server.localAddress?.port ?? 0
        let target = folder.appending("bin")
        let outcome: Result<FirecrackerBinaries, VMMError> = await NIOThreadPool.singleton.offload {
            () throws(Never) in
            do throws(VMMError) {
                return .success(
                    try release.install(
                        into: target, environment: ["FCCTL_ASSETS_URL": "http://127.0.0.1:\(port)/"], stallSeconds: 1))
            } catch {
                return .failure(error)
            }
        }
        try await server.close()
        return outcome
    }

    private func ok(_ body: [UInt8], length: Int? = nil) -> [UInt8] {
        Array("HTTP/1.1 200 OK\r\nContent-Length: \(length ?? body.count)\r\nConnection: close\r\n\r\n".utf8) + body
    }

    private func withFolder(_ body: (FilePath) async throws -> Void) async throws {
        let folder = FilePath("/tmp/fcctl-test-\(UInt64.random(in: .min ... .max))")
        try Files.makeDirectory(folder)
        do { try await body(folder) } catch { Issue.record(error) }
        try Files.removeTree(folder)
    }

    private func expectRefused(
        _ outcome: Result<FirecrackerBinaries, VMMError>, _ words: String, _ folder: FilePath
    ) throws {
        guard case .failure(let error) = outcome else {
            Issue.record("installed")
            return
        }
        #expect(error.description.contains(words), "\(error)")
        #expect(try Files.list(folder.appending("bin")) == [])
    }

    @Test func `a release with the right digest is unpacked and can be found`() async throws {
        try await withFolder { folder in
            let bytes = try archive(in: folder)
            let binaries = try await install(release(bytes), from: ok(bytes), in: folder).get()
            #expect(try Files.list(folder.appending("bin")) == ["firecracker", "jailer"])
            let found = try FirecrackerBinaries.find(environment: ["PATH": "/proc"], folder: folder.appending("bin"))
            #expect(found == binaries)
        }
    }

    @Test func `a wrong digest is not kept`() async throws {
        try await withFolder { folder in
            let bytes = try archive(in: folder)
            try expectRefused(try await install(release(bytes), from: ok(bytes + [0]), in: folder), "sha256", folder)
        }
    }

    @Test func `a short file, an error and a stall are refused in time, and say what else to do`() async throws {
        try await withFolder { folder in
            let bytes = try archive(in: folder)
            let short = ok(Array(bytes.prefix(100)), length: bytes.count)
            try expectRefused(try await install(release(bytes), from: short, in: folder), "cannot fetch", folder)
            let missing = Array("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
            try expectRefused(try await install(release(bytes), from: missing, in: folder), "answered 404", folder)
            try expectRefused(
                try await install(release(bytes), from: short, thenHang: true, in: folder), "--vmm qemu", folder)
            try expectRefused(try await install(release(bytes), from: [], in: folder), "cannot fetch", folder)
        }
    }

    @Test func `an archive without the jailer installs nothing`() async throws {
        try await withFolder { folder in
            let bytes = try archive(in: folder, members: ["firecracker-x"])
            try expectRefused(
                try await install(release(bytes), from: ok(bytes), in: folder), "find release/jailer-x in", folder)
        }
    }

    @Test func `an archive that is none installs nothing`() async throws {
        try await withFolder { folder in
            let bytes = Array("not a tgz".utf8)
            try expectRefused(try await install(release(bytes), from: ok(bytes), in: folder), "archive", folder)
        }
    }

    @Test func `what the environment names must be there and be Firecracker`() throws {
        let absent = #expect(throws: VMMError.self) {
            _ = try FirecrackerBinaries.find(environment: ["FCCTL_FIRECRACKER": "/no/such"], folder: nil)
        }
        #expect(absent?.description.contains("FCCTL_FIRECRACKER names /no/such") == true)
        let other = #expect(throws: VMMError.self) {
            _ = try FirecrackerBinaries.find(environment: ["FCCTL_FIRECRACKER": "/bin/true"], folder: nil)
        }
        #expect(other?.description.contains("did not answer as Firecracker does") == true)
        #expect(try FirecrackerBinaries.find(environment: ["PATH": "/proc"], folder: nil) == nil)
    }
}

private final class OneAnswer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let answer: [UInt8]
    private let thenHang: Bool

    init(_ answer: [UInt8], thenHang: Bool) {
        self.answer = answer
        self.thenHang = thenHang
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = context.channel.allocator.buffer(bytes: answer)
        let written = context.writeAndFlush(wrapOutboundOut(bytes))
        if !thenHang {
            let channel = context.channel
            written.whenComplete { _ in channel.close(promise: nil) }
        }
    }
}
