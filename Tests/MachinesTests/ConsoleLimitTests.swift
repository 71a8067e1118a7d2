import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import Machines

struct ConsoleLimitTests {
    @Test func `a console log past the limit keeps its end, and whoever appends to it goes on there`() throws {
        try withScratch { folder in
            let path = folder.appending("console.log")
            let writer = try Files.open(path, O_WRONLY | O_CREAT | O_APPEND)
            func append(_ bytes: [UInt8]) {
                _ = bytes.withUnsafeBytes { write(writer.rawValue, $0.baseAddress, $0.count) }
            }
            append(Array("small".utf8))
            ConsoleLimit.cut(path)
            #expect(try Files.read(path) == Array("small".utf8))

            #expect(ftruncate(writer.rawValue, ConsoleLimit.bytes) == 0)
            append(Array("the end".utf8))
            ConsoleLimit.cut(path)
            append(Array(", and more".utf8))
            let left = try Files.read(path)
            #expect(left.count == ConsoleLimit.kept + 10)
            #expect(String(decoding: left.suffix(17), as: UTF8.self) == "the end, and more")
            ConsoleLimit.cut(folder.appending("absent"))
        }
    }
}
