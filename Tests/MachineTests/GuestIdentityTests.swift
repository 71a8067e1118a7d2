import GuestBoot
import LinuxHost
import SystemPackage
import TestSupport
import Testing

// What a clone is told before its first request, shown by a guest with a shell.
extension GuestBootTests {
    @Test func `renewing a guest gives it other ids and names, and leaves the app's own lines alone`() throws {
        // The boot's id is drawn last.
        let script = """
            show() {
                for f in /etc/machine-id /var/lib/dbus/machine-id /proc/sys/kernel/random/boot_id /etc/hostname /etc/hosts; do
                    echo "$f: $(cat $f | tr '\\n\\t' ' ,')"
                done
                echo "hostname: $(hostname)"; echo "year: $(date +%Y)"; echo "modes: $(stat -c %a /etc/machine-id)"
            }
            boot_id=$(cat /proc/sys/kernel/random/boot_id)
            echo "10.9.8.7 machine-1.db" >>/etc/hosts
            show; echo ready
            while [ "$(cat /proc/sys/kernel/random/boot_id)" = "$boot_id" ]; do :; done
            show
            """
        let baked = String(repeating: "0123456789abcdef", count: 2)
        try EmulatedGuest.boot(
            ["sh", "-c", script],
            files: { root in
                for name in ["etc/machine-id", "var/lib/dbus/machine-id"] {
                    try Files.makeDirectory(root.appending(name).removingLastComponent(), mode: 0o755)
                    try AtomicFile.write(Array("\(baked)\n".utf8), to: root.appending(name), mode: 0o444)
                }
            }
        ) { guest in
            let agent = try guest.agent()
            try agent.waitForLog("ready")
            let renewal = AgentRequest.renew(
                nanosecondsSinceEpoch: 2_000_000_000_000_000_000, entropy: [UInt8](repeating: 7, count: 32),
                hostname: Array("a-longer-name".utf8))
            #expect(try agent.call(renewal) == .done)
            let lines = try agent.followToEnd(subscribe: false).log.split(separator: "\n").map(String.init)
            try #require(lines.count == 17, "\(lines)")
            let (before, after) = (Array(lines[..<8]), Array(lines[9...]))
            for (index, length) in [(0, 33), (1, 33), (2, 37)] {
                #expect(before[index] != after[index], "\(after[index])")
                #expect(after[index].split(separator: " ").last?.utf8.count == length - 1, "\(after[index])")
                #expect(!before[index].contains(baked) && !after[index].contains(baked))
            }
            #expect(before[0].split(separator: " ").last == before[1].split(separator: " ").last)
            #expect(after[0].split(separator: " ").last == after[1].split(separator: " ").last)
            #expect(before[3] == "/etc/hostname: machine-1 " && after[3] == "/etc/hostname: a-longer-name ")
            #expect(after[4] == before[4].replacing(",machine-1 ", with: ",a-longer-name "), "\(before[4])")
            #expect(after[4].contains(",a-longer-name 10.9.8.7 machine-1.db"), "\(after[4])")
            #expect(after[5...] == ["hostname: a-longer-name", "year: 2033", "modes: 444"], "\(after)")
        }
    }
}
