import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

extension EndToEnd {
    @Suite struct RefusalTests {
        /// The command is refused in one sentence, with this status, and makes nothing.
        static func refuse(
            _ fcctl: Fcctl, _ arguments: [String], _ code: Int32, _ words: String..., before: [String] = [],
            environment: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let files = HostTraces.tree(fcctl.state).filter { !$0.hasPrefix("locks/") }
            let refused = try fcctl.run(arguments, before: before, environment: environment)
            #expect(refused.status == .exited(code), "\(refused.story)", sourceLocation: sourceLocation)
            #expect(refused.stdout == "", "\(refused.story)", sourceLocation: sourceLocation)
            for word in words {
                #expect(
                    refused.stderr.contains(word), "no \(word.debugDescription): \(refused.story)",
                    sourceLocation: sourceLocation)
            }
            // Folders may have been made; every file is as before.
            let made = HostTraces.tree(fcctl.state).filter { !files.contains($0) && !$0.hasPrefix("locks/") }
                .filter { !Files.isDirectory(fcctl.state.appending($0)) }
            #expect(made.isEmpty, "\(made)", sourceLocation: sourceLocation)
            #expect(fcctl.leaks() == [], sourceLocation: sourceLocation)
        }

        @Test func `what only root may do is refused to others`() throws {
            try withFcctl { fcctl in
                // The binary and its libraries may lie where nobody else may look.
                let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
                guard try fcctl.run(["--version"], before: nobody).status == .exited(0) else { return }
                for words in [
                    ["run", "demo"], ["serve", "demo"], ["stop", "x"], ["delete", "x"], ["pause", "x"], ["logs", "x"],
                ] {
                    try RefusalTests.refuse(fcctl, words, 77, "needs root", "sudo", before: nobody)
                }
                try RefusalTests.refuse(fcctl, ["list"], 77, fcctl.state.string, before: nobody)
            }
        }

        @Test func `certificates that cannot be served are refused, each in its way`() throws {
            try withFcctl { fcctl in
                let serve = ["serve", "--upstream", "127.0.0.1:9", "--port", "0"]
                let file = fcctl.scratch.appending("not-a-certificate")
                try AtomicFile.write(Array("nothing".utf8), to: file)
                for (name, code, hint) in [
                    ("/missing.pem", Int32(66), "does not exist"), (file.string, 65, "no certificate"),
                ] {
                    let words = serve + ["--tls-cert", name, "--tls-key", name]
                    try RefusalTests.refuse(fcctl, words, code, name, hint)
                }
            }
        }

        @Test func `wrong words are refused with 64 and how to put it right`() throws {
            try withFcctl { fcctl in
                for (words, hint) in [
                    (["run"], "<image>"), (["run", "demo", "--cpus", "0"], "--cpus"),
                    (["run", "demo", "--mem", "1"], "--mem"),
                    (["run", "demo", "--mem", "lots"], "--mem"), (["run", "demo", "--name", "UPPER"], "--name"),
                    (["run", "demo", "--disk-size", "1"], "--disk-size"), (["run", "demo", "--env", "=x"], "--env"),
                    (["run", "demo", "--app-port", "0"], "--app-port"), (["run", "demo", "--vmm", "xen"], "--vmm"),
                    (["serve", "demo", "--min", "5", "--max", "2"], "--min"),
                    (["serve", "demo", "--port", "99999"], "--port"),
                    (["serve", "demo", "--idle-timeout", "soon"], "--idle-timeout"),
                    (["serve", "demo", "--concurrency", "0"], "--concurrency"),
                    (["serve", "demo", "--tls-cert", "x"], "--tls-key"),
                    (["serve", "demo", "--redirect-port", "80"], "--tls-cert"),
                    (["serve", "demo", "--hsts", "1h"], "--tls-cert"),
                    (["serve", "demo", "--app-protocol", "spdy"], "--app-protocol"),
                    (["list", "--output", "xml"], "--output"),
                    (["frobnicate"], "frobnicate"), (["run", "demo", "--frobnicate"], "--frobnicate"),
                ] { try RefusalTests.refuse(fcctl, words, 64, hint) }
                let help = try fcctl.run(["help"])
                #expect(help.status == .exited(0) && help.stdout.contains("fcctl serve demo"))
            }
        }

        @Test func `a VMM that is not there is named with what to install`() throws {
            try withFcctl { fcctl in
                let path = ["PATH": "/usr/bin/none", "FCCTL_FIRECRACKER": ""]
                try RefusalTests.refuse(
                    fcctl, ["run", "demo", "--vmm", "firecracker"], 69, "Firecracker", "PATH", "--vmm qemu",
                    environment: path)
                try RefusalTests.refuse(
                    fcctl, ["serve", "demo", "--vmm", "qemu", "--port", "0"], 69, "QEMU", "qemu-system-x86",
                    environment: path)
                try RefusalTests.refuse(fcctl, ["run", "demo"], 69, "VMM", environment: path)
            }
        }

        @Test func `without a guest kernel and a way to get one every attempt is named`() throws {
            try withFcctl(kernel: false) { fcctl in
                let tools = fcctl.scratch.appending("tools")
                try Files.makeDirectory(tools)
                for name in ["env", "setpriv"] {
                    try Fcctl.tool("ln", ["-s", "/usr/bin/\(name)", tools.appending(name).string])
                }
                try Fcctl.tool("sh", ["-c", "ln -s $(command -v qemu-system-x86_64) \(tools)/"])
                let none = ["PATH": tools.string, "FCCTL_ASSETS_URL": "http://127.0.0.1:9/"]
                for command in [["run", "demo"], ["serve", "demo", "--port", "0"]] {
                    try RefusalTests.refuse(
                        fcctl, command, 69, "http://127.0.0.1:9/", "apt-cache", "--kernel", environment: none)
                }
                // No network at all, with all tools.
                try RefusalTests.refuse(
                    fcctl, ["run", "demo"], 69, "--kernel", before: ["unshare", "--net"],
                    environment: ["FCCTL_ASSETS_URL": "http://127.0.0.1:9/"])
                try RefusalTests.refuse(fcctl, ["run", "demo", "--kernel", "/no/such/kernel"], 66, "/no/such/kernel")
                try RefusalTests.refuse(fcctl, ["run", "demo", "--kernel", "/etc/passwd"], 65, "/etc/passwd")
                try RefusalTests.refuse(fcctl, ["run", "demo", "--kernel", "/bin/sh"], 65, "/bin/sh", "a program")
                try RefusalTests.refuse(
                    fcctl, ["run", "demo", "--vmm", "qemu", "--kernel", Repository.probe.string], 65, "PVH")
            }
        }

        @Test func `a busy port is refused before anything is made`() throws {
            try withFcctl { fcctl in
                let (first, url) = try fcctl.serve(["demo"])
                let port = try #require(url.split(separator: ":").last)
                let second = try fcctl.run(["serve", "demo", "--name", "other", "--port", String(port)])
                #expect(second.status == .exited(69), "\(second.story)")
                #expect(second.stderr.contains("port \(port)") && second.stderr.contains("--port"), "\(second.story)")
                #expect(try HTTP.get(url + "/").status == 200)
                #expect(try fcctl.list().allSatisfy { $0.gateway == "demo" })
                #expect(first.status == nil)
            }
        }

        @Test func `a second gateway of one name is refused with 75 and names the first one's process`() throws {
            try withFcctl { fcctl in
                let (first, url) = try fcctl.serve(["demo"])
                let second = try fcctl.run(["serve", "demo", "--port", "0"])
                #expect(second.status == .exited(75), "\(second.story)")
                #expect(second.stderr.contains("a gateway named demo is running already (process \(first.pid))"))
                #expect(second.stderr.contains("--name"))
                #expect(try HTTP.get(url + "/").status == 200)
            }
        }

        @Test(arguments: [100, 1200, 5000])
        func `a full disk is named with what to do, and nothing is left on it`(_ slackKiB: Int) throws {
            try withFcctl(kernel: false) { fcctl in
                let kernel = try PreparedKernel.folder.get()
                let size = try Fcctl.tool("du", ["--summarize", "--block-size=1024", kernel.string])
                let kibibytes = try #require(Int(size.split(separator: "\t")[0]))
                let state = fcctl.scratch.appending("small")
                try Files.makeDirectory(state)
                try Fcctl.tool("mount", ["-t", "tmpfs", "-o", "size=\(kibibytes + slackKiB)k", "tmpfs", state.string])
                fcctl.atEnd { try Fcctl.tool("umount", [state.string]) }
                try Files.makeDirectory(state.appending("bin"))
                try Fcctl.tool("cp", ["--archive", kernel.string, state.appending("bin").string])
                let before = HostTraces.tree(state)
                try withScratch { folder in
                    let image = folder.appending("big.tar")
                    try TestImage(script: "cat", exposedPort: 3000, padding: 8 << 20).write(to: image, in: folder)
                    let full = try fcctl.run(["run", image.string, "--state-dir", state.string])
                    #expect(full.status == .exited(73), "\(full.story)")
                    #expect(full.stderr.contains("space"), "\(full.story)")
                    #expect(full.stdout == "")
                }
                let made = HostTraces.tree(state).filter { !before.contains($0) && !$0.hasPrefix("locks") }
                    .filter { !Files.isDirectory(state.appending($0)) && !$0.hasPrefix("initramfs/") }
                #expect(made.isEmpty, "\(made)")
            }
        }
    }
}
