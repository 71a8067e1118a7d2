import Glibc
import Testing

@testable import GuestBoot

@Suite struct RunConfigurationTests {
    @Test func `arbitrary arguments and variables survive`() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let configuration = arbitrary(&generator)
            #expect(try RunConfiguration(decoding: configuration.encoded()) == configuration)
        }
    }

    @Test func `a megabyte of arguments survives and five are refused`() throws {
        var configuration = RunConfiguration(arguments: [[UInt8](repeating: 65, count: 1 << 20)])
        #expect(try RunConfiguration(decoding: configuration.encoded()) == configuration)
        configuration.arguments = Array(repeating: configuration.arguments[0], count: 5)
        #expect(throws: RunConfigurationError.tooLarge) { try configuration.encoded() }
    }

    @Test func `a NUL byte is refused where a text is expected`() {
        var configuration = RunConfiguration(arguments: [[65, 0, 66]])
        #expect(throws: RunConfigurationError.containsNUL(tag: 1)) { try configuration.encoded() }
        configuration = RunConfiguration(arguments: [[65]])
        configuration.environment = [Array("A=\0".utf8)]
        #expect(throws: RunConfigurationError.containsNUL(tag: 2)) { try configuration.encoded() }
        configuration.environment = []
        configuration.workingDirectory = [0]
        #expect(throws: RunConfigurationError.containsNUL(tag: 3)) { try configuration.encoded() }
    }

    @Test func `a configuration without a program is refused on both sides`() throws {
        #expect(throws: RunConfigurationError.noCommand) { try RunConfiguration(arguments: []).encoded() }
        let bytes = RunConfiguration.magic + [0, 0, 0, 0, 0]
        #expect(throws: RunConfigurationError.noCommand) { try RunConfiguration(decoding: bytes) }
    }

    @Test func `every cut of a configuration is refused`() throws {
        let bytes = try RunConfiguration(arguments: [Array("app".utf8)]).encoded()
        for length in 0..<bytes.count {
            #expect(throws: RunConfigurationError.self) { try RunConfiguration(decoding: Array(bytes[..<length])) }
        }
        #expect(throws: RunConfigurationError.malformed(tag: 0)) { try RunConfiguration(decoding: bytes + [0]) }
    }

    @Test func `a single record that stands there twice is refused`() throws {
        let bytes = try RunConfiguration(arguments: [Array("app".utf8)]).encoded()
        let again: [UInt8] = [4, 4, 0, 0, 0, 0, 0, 0, 0]
        #expect(throws: RunConfigurationError.duplicate(tag: 4)) {
            try RunConfiguration(decoding: Array(bytes.dropLast(5)) + again + bytes.suffix(5))
        }
    }

    @Test func `mutated configurations never trap`() throws {
        let seed = UInt64.random(in: .min ... .max)
        let rounds = getenv("FCCTL_FUZZ_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 20_000
        print("seed \(seed), \(rounds) rounds")
        var generator = SeededGenerator(seed: seed)
        let valid = try (0..<20).map { _ in try arbitrary(&generator).encoded() }
        for _ in 0..<rounds {
            let bytes = generator.mutate(valid.randomElement(using: &generator) ?? [])
            // Either outcome is right; what counts is that there is one, and that a success can be said again.
            if let configuration = try? RunConfiguration(decoding: bytes) {
                #expect(try RunConfiguration(decoding: configuration.encoded()) == configuration)
            }
        }
    }

    private func arbitrary(_ generator: inout SeededGenerator) -> RunConfiguration {
        func text() -> [UInt8] { generator.bytes(upTo: 12).map { max($0, 1) } }
        var configuration = RunConfiguration(
            arguments: (0...Int.random(in: 0...4, using: &generator)).map { _ in text() })
        configuration.environment = (0..<Int.random(in: 0...4, using: &generator)).map { _ in text() }
        configuration.workingDirectory = text()
        configuration.userID = UInt32.random(in: 0 ... .max, using: &generator)
        configuration.groupID = UInt32.random(in: 0 ... .max, using: &generator)
        configuration.supplementaryGroups = (0..<Int.random(in: 0...4, using: &generator)).map { UInt32($0) }
        configuration.stopSignal = UInt8.random(in: 0 ... .max, using: &generator)
        configuration.hostname = text()
        configuration.gatewayMAC = Bool.random(using: &generator) ? [6, 0, 0xac, 0x10, 0, 1] : []
        configuration.nameservers = [IPv4Address(1, 1, 1, 1), IPv4Address(8, 8, 8, 8)]
        configuration.usesScratchDisk = Bool.random(using: &generator)
        configuration.appPort = UInt16.random(in: 0 ... .max, using: &generator)
        configuration.clockNanoseconds = UInt64.random(in: 0 ... .max, using: &generator)
        configuration.entropy = [UInt8](generator.bytes(upTo: 64))
        return configuration
    }
}
