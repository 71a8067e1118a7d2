import GuestBoot
import LinuxHost
import Machines
import Testing
import VMM

// What must differ between the clones of one template, and what must not have changed of the template.
extension EmulatedCloneTests {
    @Test func `64 clones, 8 at once, differ in name, ids and random draws, know the time and leave the template be`()
        async throws
    {
        try await CloneBench.with(.qemu) { bench in
            try await expectSixtyFour(bench) { machine, round in
                // The first answers are slow under emulation; the clock is read in a later one.
                _ = try bench.text("/id", of: machine)
                let sent = WallClock.nanoseconds()
                let words = try bench.text("/id", of: machine).split(whereSeparator: \.isWhitespace).map(String.init)
                try #require(words.count == 5, "\(words)")
                try expectTime(words[1], between: sent)
                // A name is free again when its machine is gone.
                let name = "\(words[0]) of \(round)"
                return ["name": name, "draw": words[2], "machine id": words[3], "boot id": words[4]]
            }
        }
    }
}

extension FirecrackerCloneTests {
    @Test func `a guest that stood still knows the time without being told`() async throws {
        try await CloneBench.with(.firecracker) { bench in
            let machine = try await bench.prepare(try await bench.capture().run()).restore().machine
            let before = try Given(try bench.text("/self", of: machine))
            try await machine.pause()
            // As long as the error that it must not have, several times over.
            try await Task.sleep(for: .milliseconds(300))
            try await machine.resume(forRequest: true)
            let sent = WallClock.nanoseconds()
            let after = try Given(try bench.text("/self", of: machine))
            #expect(after.clock == before.clock)
            try expectTime("\(after.time)", between: sent)
            await machine.destroy()
        }
    }

    @Test func `64 clones, 8 at once, differ in generation and random draws, know the time and leave the template be`()
        async throws
    {
        try await CloneBench.with(.firecracker) { bench in
            try await expectSixtyFour(bench) { machine, _ in
                let sent = WallClock.nanoseconds()
                let given = try Given(try bench.text("/self", of: machine))
                try expectTime("\(given.time)", between: sent)
                return ["generation": given.generation, "draw": given.draw]
            }
        }
    }
}

/// What the probe says about itself.
private struct Given {
    let generation, draw: String
    /// The time it was given last.
    let clock: UInt64
    /// The time it would tell. It has no clock: what it was given, and how far the processor has counted since.
    let time: UInt64

    init(_ text: String) throws {
        func value(_ name: String) throws -> String {
            let rest = try #require(text.text(after: "\"\(name)\":"), "\(text)")
            return String(rest.drop { $0 == "\"" }.prefix { $0 != "\"" && $0 != "," })
        }
        generation = try value("generation")
        draw = try value("draw")
        clock = try #require(UInt64(try value("clock")))
        let counted = try #require(UInt64(try value("elapsed"), radix: 16))
        time = clock + counted * 1_000_000 / TimeStampCounter.kilohertz
    }
}

/// The guest's time in nanoseconds, asked for at `sent` and answered now, is within 50 ms of the host's.
private func expectTime(_ text: String, between sent: UInt64) throws {
    let received = WallClock.nanoseconds()
    let time = try #require(UInt64(text))
    #expect(time + 50_000_000 > sent && time < received + 50_000_000, "\(time) is not in \(sent)...\(received)")
}

/// Eight times eight clones of one template, each asked by `identity` for what must be nobody else's.
private func expectSixtyFour(
    _ bench: CloneBench, _ identity: (Machine, _ round: Int) async throws -> [String: String]
) async throws {
    let snapshot = try await bench.capture().run()
    let before = try bench.hashes(snapshot)
    var seen: [String: Set<String>] = [:]
    let begun = ContinuousClock.now
    for round in 0..<8 {
        let machines = try await cloneMany(8, of: snapshot, bench)
        for machine in machines {
            for (kind, value) in try await identity(machine, round) {
                let isNew = seen[kind, default: []].insert(value).inserted
                #expect(isNew && !value.isEmpty, "two clones have the \(kind) \(value)")
            }
        }
        for machine in machines { await machine.destroy() }
    }
    print("64 clones: \(ContinuousClock.now - begun)")
    for (kind, values) in seen { #expect(values.count == 64, "\(kind): \(values.count)") }
    #expect(try bench.hashes(snapshot) == before)
}

extension String {
    /// What follows the first occurrence of `text`.
    func text(after text: String) -> Substring? {
        indices.first { self[$0...].hasPrefix(text) }.map { self[$0...].dropFirst(text.count) }
    }
}
