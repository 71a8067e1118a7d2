import Glibc
import GuestBoot
import LinuxHost
import TestSupport
import Testing

@Suite(
    .enabled(if: EmulatedGuest.missing == nil, "needs qemu-system-x86, e2fsprogs, busybox-static and guest/build"),
    .serialized)
struct GuestAgentAbuseTests {
    @Test func `bad, silent and slow clients disturb neither the app nor each other`() throws {
        var random = SystemRandomNumberGenerator()
        try EmulatedGuest.boot(["demo-app"]) { guest in
            let steady = try guest.agent()
            _ = try steady.waitForState { $0.phase == .listening }

            let wrong = try AgentConnection(port: guest.agentPort)
            guard case .failed = try wrong.call(.hello(version: 99)) else {
                Issue.record("a foreign version was accepted")
                return
            }
            #expect(try wrong.next() == nil)

            let impolite = try AgentConnection(port: guest.agentPort)
            impolite.send(AgentRequest.stop(graceMilliseconds: 0).frame(id: 1).encoded)
            #expect(try impolite.next() == nil)

            for _ in 0..<40 {
                let connection = try AgentConnection(port: guest.agentPort, milliseconds: 200)
                if Bool.random(using: &random) { _ = connection.greet() }
                connection.send((0..<Int.random(in: 1...2000)).map { _ in UInt8.random(in: 0...255, using: &random) })
            }
            #expect(try steady.call(.ping) == .done)

            // More connections than the agent holds: the silent ones make room.
            let silent = try (0..<40).map { _ in try AgentConnection(port: guest.agentPort) }
            let late = try guest.agent()
            #expect(try late.call(.ping) == .done)
            withExtendedLifetime(silent) {}
            #expect(try guest.get("/healthz").hasSuffix("ok\n"))
        }
    }

    @Test func `a client that does not read its log loses text, and only that client`() throws {
        let script =
            "i=0; while [ $i -lt 20000 ]; do echo \"line $i ........................................\"; i=$((i+1)); done; sleep 100"
        try EmulatedGuest.boot(["sh", "-c", script]) { guest in
            let slow = try guest.agent()
            slow.send(AgentRequest.logs(tailBytes: .max, follow: true).frame(id: 9).encoded)
            let quick = try guest.agent()
            _ = try quick.call(.logs(tailBytes: .max, follow: true))
            var log = ""
            while !log.contains("line 19999 "), let (_, report) = try quick.next() {
                if case .log(_, _, let bytes) = report { log += String(decoding: bytes, as: UTF8.self) }
            }
            #expect(log.contains("line 19999 "))
            #expect(try guest.agent().call(.ping) == .done)
            // What the slow one finds later is in order, and the positions say where text is missing.
            var end: UInt64 = 0
            while end < 1_000_000, let (_, report) = try slow.next() {
                guard case .log(_, let position, let bytes) = report else { continue }
                #expect(position >= end)
                end = position + UInt64(bytes.count)
                if String(decoding: bytes, as: UTF8.self).contains("line 19999 ") { break }
            }
        }
    }
}
