import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import Images

@Suite struct ReferenceTests {
    @Test(arguments: [
        ("nginx", "nginx:latest"), ("nginx:1.25", "nginx:1.25"), ("docker.io/library/nginx", "nginx:latest"),
        ("docker.io/team/app:v1", "team/app:v1"), ("localhost/app", "app:latest"),
        ("registry.example:5000/a/b:c", "registry.example:5000/a/b:c"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("app@sha256:" + String(repeating: "a", count: 64), "app@sha256:" + String(repeating: "a", count: 64)),
    ])
    func `names of one image have one canonical form`(text: String, canonical: String) {
        #expect(ImageReference(text)?.canonical == canonical)
    }

    @Test(arguments: [
        "", "UPPER", "a b", "a:", "a:b:c", "/a", "a/", "a//b", "-a", "a@sha256:12", "a?x=1", "a#b", "a/../b", "a:\u{7}",
        "a%2e", String(repeating: "a", count: 600), "app:.hidden", "ä", "0A..bA/0", "registry..example/app",
    ])
    func `what is no name is refused`(text: String) {
        #expect(ImageReference(text) == nil)
    }

    @Test func `random text never makes a name that could leave a URL path`() {
        var generator = SystemRandomNumberGenerator()
        let seed = generator.next()
        let alphabet = Array("ab.-_/:@#?%& \\\u{0}\n0A")
        var state = seed
        var bad: [String] = []
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<Int(state >> 33 % 20) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text.append(alphabet[Int(state >> 33) % alphabet.count])
            }
            state = state &* 6_364_136_223_846_793_005 &+ 1
            if let name = ImageReference(text)?.description {
                if name.contains("..") || name.contains(where: { "#?% \\\n\0".contains($0) }) { bad.append(name) }
            }
        }
        #expect(bad == [], "seed \(seed)")
    }

    @Test func `a path is told from a name by what lies there`() throws {
        try withScratch { scratch in
            let archive = scratch.appending("app.tar")
            try AtomicFile.write([1, 2, 3], to: archive)
            #expect(try ImageSource(parsing: archive.string) == .path(archive, tag: nil, .any))
            #expect(try ImageSource(parsing: archive.string + ":v1") == .path(archive, tag: "v1", .any))
            let spelt = "docker-archive:\(archive):registry.example/app:v1"
            #expect(try ImageSource(parsing: spelt) == .path(archive, tag: "registry.example/app:v1", .dockerArchive))
            #expect(try ImageSource(parsing: "oci:\(scratch):v2") == .path(scratch, tag: "v2", .ociLayout))
            #expect(try ImageSource(parsing: "oci-archive:\(archive)") == .path(archive, tag: nil, .ociArchive))
            #expect(throws: ImageError.self) { try ImageSource(parsing: "missing.tar.gz") }
            #expect(try ImageSource(parsing: "demo") == .demo)
            #expect(try ImageSource(parsing: "nginx:1") == .name(try #require(ImageReference("nginx:1"))))
        }
    }

    @Test(arguments: ["/no/such/file", "./missing.tar", "oci:/no/such", "docker-archive:gone.tar:app:1", "oci:"])
    func `a path that leads nowhere is not found`(text: String) {
        #expect { _ = try ImageSource(parsing: text) } throws: { error in
            if case ImageError.notFound = error { true } else { false }
        }
    }

    @Test(arguments: ["Not A Name", "a\u{1b}[31m"])
    func `what is neither a path nor a name is bad data and shown without control characters`(text: String) {
        #expect { _ = try ImageSource(parsing: text) } throws: { error in
            if case ImageError.badData = error { !"\(error)".contains("\u{1b}") } else { false }
        }
    }
}
