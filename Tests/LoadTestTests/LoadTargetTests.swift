import LoadTest
import Testing

@Suite struct LoadTargetTests {
    @Test(arguments: [
        ("http://localhost:8080", "localhost", 8080, "/"), ("http://a", "a", 80, "/"),
        ("HTTP://127.0.0.1/x?y=1#z", "127.0.0.1", 80, "/x?y=1"), ("http://[::1]:81/", "::1", 81, "/"),
        ("http://a?q", "a", 80, "/?q"),
    ])
    func `a URL is taken apart`(_ text: String, _ host: String, _ port: Int, _ path: String) throws {
        let target = try LoadTarget(text)
        #expect(target.host == host)
        #expect(target.port == port)
        #expect(target.path == path)
    }

    @Test(arguments: [
        "", "localhost:8080", "https://a", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:x",
        "http://u:p@a", "http://a/ b", "http://a/é", "ftp://a", "http://a b",
    ])
    func `what is no http URL is refused`(_ text: String) {
        #expect(throws: LoadTestError.self) { try LoadTarget(text) }
    }

    @Test func `the Host field names a port that is not 80`() throws {
        #expect(try LoadTarget("http://a:8080/").authority == "a:8080")
        #expect(try LoadTarget("http://[::1]/").authority == "[::1]")
    }
}
