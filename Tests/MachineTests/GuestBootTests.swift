import Glibc
import GuestBoot
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@Suite(
    .enabled(if: EmulatedGuest.missing == nil, "needs qemu-system-x86, e2fsprogs, busybox-static and guest/build"),
    .serialized)
struct GuestBootTests {
    @Test func `the demo app answers, and stopping it ends the machine`() throws {
        let begin = ContinuousClock.now
        try EmulatedGuest.boot(["demo-app"]) { guest in
            let agent = try guest.agent()
            print("boot to the agent's answer: \(begin.duration(to: .now))")
            let state = try agent.waitForState { $0.phase == .listening }
            #expect(state.appPort == 3000 && state.otherPorts.isEmpty)
            #expect(state.startedNanoseconds > 0 && state.listeningNanoseconds >= state.startedNanoseconds)
            #expect(try guest.get("/").hasPrefix("HTTP/1.1 200 OK\r\n"))
            print("boot to the first 200: \(begin.duration(to: .now))")
            #expect(try guest.get("/").contains("machine-1"))
            #expect(try agent.call(.ping) == .done)
            #expect(try agent.call(.reseed([UInt8](repeating: 9, count: 32))) == .done)
            #expect(try agent.call(.stop(graceMilliseconds: 5000)) == .done)
            let end = try agent.followToEnd()
            #expect(end.exit == AppExit(code: 0, signal: 0, message: []))
            #expect(end.log == "demo-app: listening on port 3000\ndemo-app: ending\n")
            #expect(guest.waitForEnd())
        }
    }

    @Test func `the program gets the image's user, groups, environment, folder and arguments`() throws {
        let script = """
            id; pwd; echo "$0|$1|$2"; echo "$FOO|$HOSTNAME|$HOME|$PATH"; cat /etc/hostname /etc/resolv.conf; hostname
            stat -c '%a %u' /tmp /dev/shm /srv/app; sleep 0.3; echo error >/dev/stderr; sleep 0.3; (sleep 0.1 &) ; sleep 1; busybox grep -h ^State /proc/[0-9]*/status | busybox grep -c zombie
            cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6
            """
        let end = try EmulatedGuest.boot(
            ["sh", "-c", script, "zero", "a b", "\"'$x\n"],
            files: { root in
                try AtomicFile.write(
                    Array("root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n".utf8),
                    to: root.appending("etc/passwd"), mode: 0o644)
            },
            {
                $0.userID = 1000
                $0.groupID = 1001
                $0.supplementaryGroups = [1001, 44]
                $0.environment = [Array("FOO=bar=baz qux".utf8)]
                $0.workingDirectory = Array("/srv/app".utf8)
                $0.nameservers = [IPv4Address(10, 0, 2, 3)]
            }
        ) { try $0.agent().followToEnd() }
        #expect(end.exit?.code == 0)
        #expect(
            end.log == """
                uid=1000(web) gid=1001 groups=44,1001
                /srv/app
                zero|a b|"'$x

                bar=baz qux|machine-1|/home/web|/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
                machine-1
                nameserver 10.0.2.3
                machine-1
                1777 0
                1777 0
                755 0
                error
                0
                1

                """)
    }

    @Test func `without a listening host the exit status and the last words are on the console`() throws {
        try EmulatedGuest.boot(["sh", "-c", "echo first; echo last >&2; kill -SEGV $$"]) { guest in
            #expect(guest.waitForEnd())
            let expected = AppExit(code: 0, signal: 11, message: [])
            #expect(ConsoleReport(in: guest.console) == .ended(expected, log: "first\nlast\n"))
        }
    }

    @Test(arguments: [
        (["/bin/absent"], UInt8(127), "no such file in the image: /bin/absent"),
        (["absent"], 127, "not found in PATH: absent"),
        (["/etc/hello"], 126, "cannot be executed: Permission denied: /etc/hello"),
        (["script"], 127, "its interpreter or program loader is missing in the image: /bin/script"),
        (["garbage"], 126, "cannot be executed: Exec format error: garbage"),
    ])
    func `a program that cannot be executed is named`(_ arguments: [String], _ code: UInt8, _ message: String) throws {
        let exit = try EmulatedGuest.boot(
            arguments,
            files: { root in
                try AtomicFile.write(Array("hello".utf8), to: root.appending("etc/hello"), mode: 0o644)
                try AtomicFile.write(Array("#!/bin/none\n".utf8), to: root.appending("bin/script"), mode: 0o755)
                try AtomicFile.write(Array("garbage\n".utf8), to: root.appending("bin/garbage"), mode: 0o755)
            }
        ) { try $0.agent().followToEnd().exit }
        #expect(exit == AppExit(code: code, signal: 0, message: Array(message.utf8)))
    }

    @Test func `listeners on loopback and on other ports are told apart`() throws {
        let script = "httpd -p 127.0.0.1:3000; httpd -p 4000; exec sleep 100"
        try EmulatedGuest.boot(["sh", "-c", script]) { guest in
            let agent = try guest.agent()
            let state = try agent.waitForState { $0.phase == .loopbackOnly && !$0.otherPorts.isEmpty }
            #expect(state.otherPorts == [ListeningPort(number: 4000, isLoopbackOnly: false)])
            // A shell's sleep ignores nothing: the stop signal ends it.
            _ = try agent.call(.stop(graceMilliseconds: 5000))
            #expect(try agent.followToEnd().exit?.signal == 15)
        }
    }

    @Test func `an app that ignores its stop signal is killed after the grace`() throws {
        try EmulatedGuest.boot(
            ["sh", "-c", "trap 'echo asked' USR1; echo ready; while :; do sleep 1; done"], { $0.stopSignal = 10 }
        ) {
            guest in
            let agent = try guest.agent()
            try agent.waitForLog("ready")
            _ = try agent.call(.stop(graceMilliseconds: 2500))
            let end = try agent.followToEnd(subscribe: false)
            #expect(end.exit == AppExit(code: 0, signal: 9, message: []))
            #expect(end.log == "ready\nasked\n")
            #expect(guest.waitForEnd())
        }
    }

    @Test func `the scratch disk holds what the app wrote and is left clean`() throws {
        try EmulatedGuest.boot(["sh", "-c", "echo kept >/srv-file; mount | grep -c vdb"], scratch: true) { guest in
            let end = try guest.agent().followToEnd()
            #expect(end.exit?.code == 1 && end.log == "0\n")
            #expect(guest.waitForEnd())
            let disk = guest.folder.appending("scratch.ext4").string
            try run(["/sbin/e2fsck", "-fn", disk])
            let copy = guest.folder.appending("copy").string
            try run(["/sbin/debugfs", "-R", "dump /upper/srv-file \(copy)", disk])
            #expect(try Files.read(FilePath(copy)) == Array("kept\n".utf8))
        }
    }

    @Test func `the guest's clock runs as fast as the host's and can be set`() throws {
        try EmulatedGuest.boot(["demo-app"]) { guest in
            _ = try guest.agent()
            func sample() throws -> (host: ContinuousClock.Instant, guest: UInt64) {
                var best: (width: Duration, host: ContinuousClock.Instant, guest: UInt64)?
                for _ in 0..<20 {
                    let before = ContinuousClock.now
                    let uptime = try guest.agent().uptimeNanoseconds
                    let width = before.duration(to: .now)
                    if best.map({ width < $0.width }) ?? true { best = (width, before + width / 2, uptime) }
                }
                let found = try #require(best)
                return (found.host, found.guest)
            }
            let first = try sample()
            sleep(5)
            let last = try sample()
            let host = first.host.duration(to: last.host) / Duration.nanoseconds(1)
            let ratio = Double(last.guest - first.guest) / host
            print("guest clock / host clock: \(ratio)")
            #expect(abs(ratio - 1) < 0.003)
            #expect(try guest.agent().call(.setClock(nanosecondsSinceEpoch: 1_700_000_000_000_000_000)) == .done)
        }
    }
}
