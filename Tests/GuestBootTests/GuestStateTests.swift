import Testing

@testable import GuestBoot

// The parts of PID 1 that decide; the same files are compiled into the guest.
@Suite struct GuestStateTests {
    @Test func `the log ring keeps the newest bytes of both streams in order`() {
        var ring = LogRing(capacity: 16)
        ring.append(Array("one\n".utf8), from: .stdout)
        ring.append(Array("two\n".utf8), from: .stderr)
        ring.append(Array("three\n".utf8), from: .stdout)
        #expect(ring.end == 14 && ring.start == 0)
        let second = ring.read(from: 4, limit: 100)
        #expect(second?.stream == .stderr && second?.bytes == Array("two\n".utf8))
        ring.append(Array("four and more\n".utf8), from: .stderr)
        #expect(ring.start == 12)
        let oldest = ring.read(from: 0, limit: 100)
        #expect(oldest?.position == 12 && oldest?.stream == .stdout && oldest?.bytes == Array("e\n".utf8))
        let newest = ring.read(from: 14, limit: 4)
        #expect(newest?.bytes == Array("four".utf8))
        #expect(ring.read(from: ring.end, limit: 4) == nil)
    }

    @Test func `the tail of the log begins at a line`() {
        var ring = LogRing(capacity: 1 << 16)
        for number in 0..<100 { ring.append(Array("line \(number)\n".utf8), from: .stdout) }
        let run = ring.read(from: ring.tail(lines: 2), limit: 1000)
        #expect(run.map { String(decoding: $0.bytes, as: UTF8.self) } == "line 98\nline 99\n")
        ring.append([UInt8](repeating: 65, count: 10_000), from: .stdout)
        #expect(ring.end - ring.tail(lines: 2) == 4096)
    }

    @Test func `listening ports are read from the kernel's tables`() {
        let four = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0
               1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0
               2: 020010AC:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0
               3: 020010AC:0017 010010AC:1234 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0

            """
        let six = """
              sl  local_address                         remote_address                        st
               0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000
               1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
               2: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 00000000:00000000
               3: 0000000000000000FFFF0000020010AC:0052 00000000000000000000000000000000:0000 0A 00000000:00000000

            """
        var ports: [ListeningPort] = []
        ListeningPorts.scan(Array(four.utf8), into: &ports)
        ListeningPorts.scan(Array(six.utf8), into: &ports)
        #expect(
            ports.sorted { $0.number < $1.number } == [
                ListeningPort(number: 22, isLoopbackOnly: false), ListeningPort(number: 80, isLoopbackOnly: true),
                ListeningPort(number: 81, isLoopbackOnly: true), ListeningPort(number: 82, isLoopbackOnly: false),
                ListeningPort(number: 3000, isLoopbackOnly: false), ListeningPort(number: 8080, isLoopbackOnly: false),
            ])
    }

    @Test func `a table of garbage gives no ports`() {
        var generator = SeededGenerator(seed: 42)
        var ports: [ListeningPort] = []
        for _ in 0..<2000 { ListeningPorts.scan(generator.bytes(upTo: 200), into: &ports) }
        ListeningPorts.scan(Array("\n 0: :::: 0 0A\n 1: 0:FFFFF 0 0A\n 2: 0:G 0 0A\n".utf8), into: &ports)
        #expect(ports.isEmpty)
    }

    @Test func `the console tells how the app ended and what it said last`() {
        let console =
            "junk\r\nfcctl: app ended code=3 signal=0 \r\nhello\r\nbye\r\n[    3.5] reboot: Restarting system\r\n"
        let expected = ConsoleReport.ended(AppExit(code: 3, signal: 0, message: []), log: "hello\nbye\n")
        #expect(ConsoleReport(in: Array(console.utf8)) == expected)
        let failed = "fcctl: guest failed: mount the root disk /dev/vda: Invalid argument\n"
        #expect(
            ConsoleReport(in: Array(failed.utf8)) == .failed("mount the root disk /dev/vda: Invalid argument"))
        #expect(ConsoleReport(in: Array("fcctl: app ended code=300 signal=x\n".utf8)) == nil)
        #expect(ConsoleReport(in: []) == nil)
    }

    @Test func `an exit is told in words`() {
        #expect(AppExit(code: 3, signal: 0, message: []).description == "exited with code 3")
        #expect(AppExit(code: 0, signal: 9, message: []).description == "was killed by signal 9 (SIGKILL)")
        #expect(AppExit(code: 0, signal: 9, message: []).status == 137)
        #expect(
            AppExit(code: 127, signal: 0, message: Array("not found in PATH: x".utf8)).description
                == "could not be started: not found in PATH: x")
    }
}
