import FoundationEssentials
import Glibc
import LinuxHost
import SystemPackage
import Testing

/// The images of Examples/build, each in both forms.
enum Examples {
    static let folder = Repository.tools.appending("examples")
    static let engine = Repository.root.appending("Examples/docker-engine")

    /// Builds what is missing or out of date.
    static let built = Result { () throws -> FilePath in
        try Fcctl.tool(Repository.root.appending("Examples/build").string, ["-o", folder.string], within: 900)
        return folder
    }

    static let canBuild = Files.exists(folder.appending("node-app.tar")) || Repository.find("mmdebstrap")
}

extension EndToEnd {
    @Suite(.enabled(if: Examples.canBuild, "needs mmdebstrap, umoci and skopeo to build the example images"))
    struct ImageTests {
        struct Info: Decodable {
            let app: String
            let env: [String: String]
            let user: String
            let uid: Int
            let gid: Int
            let groups: [Int]?
            let home: String
            let cwd: String
            let args: [String]
        }

        static func source(_ name: String, _ form: String) throws -> String {
            let folder = try Examples.built.get()
            return form == "oci" ? "oci:\(folder)/\(name).oci" : "docker-archive:\(folder)/\(name).tar"
        }

        @Test(arguments: ["docker-archive", "oci"])
        func `a Python app is served as its image says`(_ form: String) throws {
            try withFcctl { fcctl in
                let (gateway, url) = try fcctl.serve(
                    [try ImageTests.source("python-app", form), "--mem", "256", "-e", "APP_COLOR=red"], within: 180)
                let info = try HTTP.get(url + "/info").json(Info.self)
                #expect(info.app == "python")
                #expect(info.user == "app" && info.uid == 1000 && info.gid == 1000)
                #expect(info.groups.map(Set.init) == [50, 1000])
                #expect(info.home == "/srv/app" && info.cwd == "/srv/app")
                #expect(info.args == ["--port", "8000"])
                #expect(info.env == ["APP_GREETING": "hello world", "APP_COLOR": "red"])
                #expect(try HTTP.get(url + "/echo", ["--data", "ping"]).body == "ping")
                // The layer that deletes and replaces has done so, and the app's user may write where it is.
                #expect(try HTTP.get(url + "/uploads/a.txt", ["--request", "PUT", "--data", "x"]).status == 201)
                #expect(try HTTP.get(url + "/uploads").json([String].self) == ["a.txt"])
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test(arguments: ["docker-archive", "oci"])
        func `a Node app is served as its image says`(_ form: String) throws {
            try withFcctl { fcctl in
                let (gateway, url) = try fcctl.serve(
                    [try ImageTests.source("node-app", form), "--mem", "512", "--queue-timeout", "90s"], within: 180)
                let info = try HTTP.get(url + "/info").json(Info.self)
                #expect(info.app == "node" && info.user == "node")
                // `User: node:staff`.
                #expect(info.uid == 1000 && info.gid == 50)
                #expect(info.cwd == "/srv/app" && info.args == [] && info.env == ["APP_MODE": "production"])
                #expect(try HTTP.get(url + "/echo", ["--data", "ping"]).body == "ping")
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `stop sends the image's StopSignal and the app's last words are in its log`() throws {
            try withFcctl { fcctl in
                let folder = try Examples.built.get()
                // A bare path is recognised by what is there.
                for (image, name) in [("\(folder)/python-app.oci", "python"), ("\(folder)/busybox-app.tar", "busybox")]
                {
                    try fcctl.succeed(["run", image, "--name", name, "--mem", "256"], within: 180)
                }
                #expect(try fcctl.ask("busybox", "/cgi-bin/info").contains("APP_COLOR=green"))
                #expect(try fcctl.report("python").app_port == 8000)
                try fcctl.succeed(["stop", "python"])
                try fcctl.succeed(["stop", "busybox"])
                #expect(try fcctl.succeed(["logs", "python"]).contains("python-app: got SIGINT, stopping"))
                #expect(try fcctl.succeed(["logs", "busybox"]).contains("busybox-app: got SIGQUIT, stopping"))
            }
        }

        @Test(.enabled(if: Repository.find("curl") && Repository.find("dpkg-deb"), "needs curl and dpkg-deb"))
        func `a name is found at a Docker Engine`() throws {
            try withFcctl { fcctl in
                let folder = try Examples.built.get()
                let data = FilePath("/tmp/fcctl-engine-\(UInt32.random(in: .min ... .max))")
                fcctl.atEnd {
                    try Fcctl.tool(Examples.engine.string, ["stop", data.string])
                    try Files.removeTree(data)
                }
                let output = try Fcctl.tool(Examples.engine.string, ["start", data.string])
                let socket = output.split(separator: "\n").joined()
                try Fcctl.tool(Examples.engine.string, ["load", data.string, "\(folder)/busybox-app.tar"])
                let engine = ["DOCKER_HOST": "unix://\(socket)"]
                let (_, url) = try fcctl.serve(["example/busybox-app:latest"], environment: engine)
                let info = try HTTP.get(url + "/cgi-bin/info").body
                #expect(info.contains("user=www uid=1000 gid=1000 groups=1000 50"), "\(info)")
                #expect(info.contains("cwd=/app/www") || info.contains("cwd=/app"))
                let missing = try fcctl.run(["run", "example/no-such:1"], environment: engine)
                #expect(missing.status == .exited(66), "\(missing.story)")
            }
        }
    }
}
