import Testing

@testable import Firecracker

@Suite struct FirecrackerVersionTests {
    @Test(arguments: [
        ("1.15.1", FirecrackerVersion(1, 15, 1)), ("v1.12.1", FirecrackerVersion(1, 12, 1)),
        ("1.17.0-dev", FirecrackerVersion(1, 17, 0)), ("1.15", nil), ("1.x.1", nil), ("", nil), ("1.-2.3", nil),
        ("1.2.3.4", nil),
    ])
    func `a version is read`(_ text: String, _ expected: FirecrackerVersion?) {
        #expect(FirecrackerVersion(text) == expected)
    }

    @Test func `the banner of the binary is read`() {
        let banner = "Firecracker v1.12.1\n\n2026-01-01T00:00:00 [anonymous-instance:main] exit_code=0"
        #expect(FirecrackerVersion.parse(banner: banner) == FirecrackerVersion(1, 12, 1))
        #expect(FirecrackerVersion.parse(banner: "Jailer v1.12.1") == nil)
    }

    @Test(arguments: ["1.12.1", "1.13.2", "1.14.0", "1.14.3", "1.15.0", "0.25.2"])
    func `releases with known holes cause concern`(_ text: String) throws {
        let version = try #require(FirecrackerVersion(text))
        #expect(version.concern?.contains("Firecracker \(text) has published security holes") == true)
    }

    @Test(arguments: ["1.14.4", "1.15.1", "1.16.0", "1.16.1", "1.17.0-dev", "2.0.0"])
    func `releases with the fixes do not`(_ text: String) throws {
        #expect(try #require(FirecrackerVersion(text)).concern == nil)
    }

    @Test(arguments: [
        ("1.12.1", [FirecrackerFeature.networkOverrides]),
        ("1.13.0", [.networkOverrides, .trackDirtyPagesOnLoad]),
        ("1.14.3", [.networkOverrides, .trackDirtyPagesOnLoad, .serialOutput]),
        ("1.14.4", [.networkOverrides, .trackDirtyPagesOnLoad, .serialOutput, .clockRealtime]),
        ("1.15.0", [.networkOverrides, .trackDirtyPagesOnLoad, .serialOutput]),
        ("1.15.1", [.networkOverrides, .trackDirtyPagesOnLoad, .serialOutput, .clockRealtime]),
        ("1.16.0", [.networkOverrides, .trackDirtyPagesOnLoad, .serialOutput, .clockRealtime, .vsockOverride]),
        ("1.11.0", []),
    ])
    func `a field is used from the patch release that has it`(_ text: String, _ expected: [FirecrackerFeature]) throws {
        let version = try #require(FirecrackerVersion(text))
        #expect(FirecrackerFeature.allCases.filter(version.has) == expected)
    }

    @Test func `a fault says what the API said, whatever it is`() {
        #expect(APIFault.message(in: Array(#"{"fault_message":"no such file"}"#.utf8)) == "no such file")
        #expect(APIFault.message(in: Array("<html>".utf8)) == "<html>")
        #expect(APIFault.message(in: []) == "no reason was given")
        #expect(APIFault.message(in: [UInt8](repeating: 65, count: 10_000)).count == 500)
    }
}
