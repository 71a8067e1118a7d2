import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import Images

@Suite(.enabled(if: Tools.has("python3"), "needs python3 for the other end of the socket"))
struct EngineSocketTests {
    private let image = TestImage([BrokenLayers.sample])

    private func resolve(
        _ scratch: FilePath, _ mode: String, id: String = "sha256:" + String(repeating: "e", count: 64),
        name: String = "app:1"
    ) throws -> (store: ImageStore, image: StoredImage) {
        let archive = scratch.appending("saved.tar")
        try AtomicFile.write(image.dockerArchive(), to: archive)
        return try FakeEngine.run(scratch, id: id, archive: archive, mode: mode) { socket in
            let store = ImageStore.scratch(scratch, engines: [EngineSocket(path: socket, stallSeconds: 2)])
            return (store, try store.resolve(.name(try #require(ImageReference(name)))))
        }
    }

    @Test func `an image of an engine becomes a root, and its new id another`() throws {
        try withScratch { scratch in
            let (store, first) = try resolve(scratch, "good")
            #expect(first.name == "app:1")
            #expect(try store.leftovers() == [])
            // The same id again needs no archive: the engine would refuse to save one.
            #expect(try resolve(scratch, "refuses").image == first)
            // An id that is the digest of the configuration needs none either.
            #expect(try resolve(scratch, "refuses", id: first.digest).image == first)
            var changed = image
            changed.configuration = #""Cmd":["/new"]"#
            try AtomicFile.write(changed.dockerArchive(), to: scratch.appending("saved.tar"))
            let second = try FakeEngine.run(
                scratch, id: "sha256:" + String(repeating: "f", count: 64), archive: scratch.appending("saved.tar")
            ) { socket in
                let newer = ImageStore.scratch(scratch, engines: [EngineSocket(path: socket)])
                return try newer.resolve(.name(try #require(ImageReference("app:1"))))
            }
            #expect(second.rootfs != first.rootfs && second.configuration.argv == ["/new"])
            // Without an engine the store answers with what the name stood for last.
            let alone = ImageStore.scratch(scratch)
            #expect(try alone.resolve(.name(try #require(ImageReference("app:1")))).rootfs == second.rootfs)
        }
    }

    @Test(arguments: ["short", "reset", "stall", "broken", "nonsense", "refuses"])
    func `an engine that fails is unavailable and leaves nothing behind`(mode: String) throws {
        try withScratch { scratch in
            do {
                _ = try resolve(scratch, mode)
                Issue.record("it was accepted")
            } catch ImageError.unavailable(let engine, let reason) {
                #expect(engine == scratch.appending("engine.sock").string)
                #expect(!reason.utf8.contains(0x1b), "\(reason)")
            }
            let store = ImageStore.scratch(scratch)
            #expect(try store.leftovers() == [])
            #expect(try store.roots() == [])
        }
    }

    @Test(arguments: ["missing", "gone"])
    func `a name that the engine does not know is not found`(mode: String) throws {
        try withScratch { scratch in
            #expect { try resolve(scratch, mode) } throws: { error in
                if case ImageError.notFound = error { "\(error)".contains("app:1") } else { false }
            }
            return
        }
    }

    @Test func `a socket that nobody listens on leaves the store to answer`() throws {
        try withScratch { scratch in
            let socket = scratch.appending("engine.sock")
            try AtomicFile.write([], to: socket)
            let store = ImageStore.scratch(scratch, engines: [EngineSocket(path: socket)])
            let name = ImageSource.name(try #require(ImageReference("app")))
            #expect { try store.resolve(name) } throws: { error in
                if case ImageError.unavailable = error { true } else { false }
            }
            try AtomicFile.write(image.dockerArchive(names: ["app"]), to: scratch.appending("app.tar"))
            let first = try store.resolve(.path(scratch.appending("app.tar"), tag: nil, .any))
            #expect(try store.resolve(name).rootfs == first.rootfs)
        }
    }

    @Test func `the environment says where engines are`() {
        let named = EngineSocket.candidates(["DOCKER_HOST": "unix:///run/other.sock", "XDG_RUNTIME_DIR": "/run/user/5"])
        #expect(named.map(\.path) == ["/run/other.sock"])
        #expect(EngineSocket.candidates(["DOCKER_HOST": "tcp://127.0.0.1:2375"]) == [])
        let usual = EngineSocket.candidates(["XDG_RUNTIME_DIR": "/run/user/5"]).map(\.path)
        #expect(usual.contains("/var/run/docker.sock") && usual.contains("/run/user/5/podman/podman.sock"))
    }
}
