import LinuxHost
package import SystemPackage

/// A folder that exists for one body and is gone afterwards, however the body ends.
package func withScratch<Result>(_ body: (FilePath) throws -> Result) throws -> Result {
    let path = FilePath("/tmp/fcctl-test-\(UInt64.random(in: .min ... .max))")
    try Files.makeDirectory(path)
    defer { try? Files.removeTree(path) }  // a leftover folder must not turn a test red
    return try body(path)
}
