import Machines
import Testing

@testable import Commands

@Suite struct RenderingTests {
    @Test func `the status block reads as promised`() {
        var block = StatusBlock(url: "http://localhost:8080", image: "demo", max: 10)
        block.idle = 3
        block.busy = 2
        block.paused = 5
        block.booting = 1
        block.active = 2
        block.total = 1847
        block.starts = [
            .init(word: "cold", count: 4, milliseconds: 1210), .init(word: "warm", count: 38, milliseconds: 9),
            .init(word: "snapshot", count: 156, milliseconds: 473),
        ]
        #expect(
            block.lines == [
                "Instances: 3 idle 2 busy 5 paused 1 booting",
                "Requests:  2 active / 1,847 total",
                "Starts:    4 cold (1.2s) 38 warm (9ms) 156 snapshot (473ms)",
                "Status:    http://localhost:8080/api/status",
            ])
        let box = block.box.split(separator: "\n")
        #expect(box.contains { $0.contains("🔥 fcctl gateway") })
        #expect(box.contains { $0.contains("image=demo max=10") })
        #expect(
            Set(box.map { $0.contains("🔥") ? $0.count + 1 : $0.count }).count == 1, "the box's right edge is straight")
    }

    @Test func `live lines are redrawn in place and only when they change`() {
        var terminal = LiveTerminal()
        #expect(terminal.update(to: ["a", "b"]) == "a\nb\n")
        #expect(terminal.update(to: ["a", "b"]) == "")
        #expect(terminal.update(to: ["a", "c"]) == "\u{1b}[2A\r\u{1b}[Ja\nc\n")
        #expect(terminal.print("news", above: ["a", "c"]) == "\u{1b}[2A\r\u{1b}[Jnews\na\nc\n")
    }

    @Test func `a table is as wide as its cells and has no trailing blanks`() {
        let table = Table(headings: ["ID", "NAME"], rows: [["1", "long-name"], ["22", "x"]])
        #expect(table.render() == "ID  NAME\n1   long-name\n22  x")
    }

    @Test func `the waterfall shows each phase where it happened`() {
        var phases = StartPhases()
        phases.image = 10
        phases.kernel = 2500
        phases.app = 0.4
        let lines = Waterfall.render(phases).split(separator: "\n")
        #expect(lines.count == 6)
        #expect(lines[0].hasPrefix("  image          10 ms"))
        #expect(lines[3].contains("2500 ms"))
        #expect(lines[4].contains("0.4 ms"))
        #expect(lines[5].hasPrefix("  total        2510 ms"))
    }

    @Test func `a guest's escape sequences reach the terminal as text`() {
        #expect("a\u{1b}]52;c;x\u{7}b\rc\td\n".terminalSafe == "a\\x1b]52;c;x\\x07bc\td\n")
    }

    @Test(arguments: [("30", 30_000), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("500ms", 500), ("0", 0)])
    func `times read the units users write`(_ text: String, _ milliseconds: Int64) {
        #expect(TimeOption(argument: text)?.duration == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "s", "-1", "1.5s", "1d", "99999999999"])
    func `malformed times are refused`(_ text: String) {
        #expect(TimeOption(argument: text) == nil)
    }
}
