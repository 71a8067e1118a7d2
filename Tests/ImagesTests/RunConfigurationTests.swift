import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import Images

@Suite struct RunConfigurationTests {
    private let users = UserLookup(
        passwd: """
            root:x:0:0:root:/root:/bin/sh
            # a comment
            malformed
            app:x:1000:1001:App:/home/app:/bin/sh
            1000:x:77:78::/odd:/bin/sh
            nohome:x:5:5:::
            """,
        group: """
            root:x:0:
            app:x:1001:
            docker:x:999:app,other
            video:x:44:app
            """)

    @Test(
        arguments: [
            ("", 0, 0, [], "/root"), ("app", 1000, 1001, [44, 999], "/home/app"), ("root", 0, 0, [], "/root"),
            // A name that looks like a number is a name first.
            ("1000", 77, 78, [], "/odd"), ("1000:1000", 77, 1000, [], "/odd"), ("4242", 4242, 0, [], "/"),
            ("4242:4343", 4242, 4343, [], "/"), ("app:docker", 1000, 999, [], "/home/app"),
            ("app:7", 1000, 7, [], "/home/app"),
            (":docker", 0, 999, [], "/root"), ("nohome", 5, 5, [], "/"),
        ] as [(String, UInt32, UInt32, [UInt32], String)])
    func `users are looked up by the rules of container engines`(
        text: String, uid: UInt32, gid: UInt32, groups: [UInt32], home: String
    ) throws {
        let user = try users.user(text)
        #expect(user.uid == uid && user.gid == gid && user.supplementaryGroups == groups && user.home == home)
        #expect(user.name == text)
    }

    @Test(arguments: ["nobody", "app:nogroup", "-1", "4294967295", "99999999999", "0:-5", "a\u{0}b"])
    func `a user that cannot be found is an error`(text: String) {
        #expect(throws: ImageError.self) { try users.user(text) }
    }

    @Test(
        arguments: [
            ("", 15), ("9", 9), ("SIGTERM", 15), ("quit", 3), ("SIGWINCH", 28), ("SIGRTMIN+3", 37), ("SIGRTMAX-1", 63),
            ("USR1", 10),
        ] as [(String, Int32)])
    func `signals have names and numbers`(text: String, number: Int32) throws {
        #expect(try RunConfiguration.signal(text) == number)
    }

    @Test(arguments: ["0", "65", "-9", "SIGNONE", "SIGRTMIN+99", "SIG"])
    func `what is no signal is an error`(text: String) {
        #expect(throws: ImageError.self) { try RunConfiguration.signal(text) }
    }

    @Test func `the whole configuration comes through`() throws {
        let json = """
            {"config":{"Entrypoint":["/bin/app","--x"],"Cmd":["one","two words"],
            "Env":["PATH=/bin","A=1","A=2=3","noise","E="],"WorkingDir":"srv/./www/../data/",
            "User":"app","StopSignal":"SIGQUIT",
            "ExposedPorts":{"8080/tcp":{},"53/udp":{},"80":{},"9000-9002/tcp":{}}}}
            """
        let run = try RunConfiguration(ConfigurationDocument.parse(Array(json.utf8)), users: users)
        #expect(run.argv == ["/bin/app", "--x", "one", "two words"])
        #expect(run.environment == ["PATH=/bin", "A=2=3", "E="])
        #expect(run.workingDirectory == "/srv/data")
        #expect(run.stopSignal == 3)
        #expect(run.exposedPorts == [80, 8080, 9000, 9001, 9002])
        #expect(run.user.uid == 1000)
    }

    @Test func `an image without entrypoint and command has nothing to run and is still an image`() throws {
        let run = try RunConfiguration(ConfigurationDocument.parse(Array("{}".utf8)), users: users)
        #expect(run.argv == nil)
        #expect(run.workingDirectory == "/")
        #expect(run == RunConfiguration(user: run.user))
    }

    @Test func `users are found in the merged tree, through links`() throws {
        var lower = TarBuilder()
        lower.folder("etc/")
        lower.file("etc/passwd", "web:x:10:10::/old:/bin/sh\n")
        lower.file("etc/group", "web:x:10:\nextra:x:20:web\n")
        var upper = TarBuilder()
        upper.folder("store/")
        upper.file("store/passwd", "web:x:33:33::/www:/bin/sh\n")
        upper.link("etc/passwd", to: "../store/passwd")
        try withScratch { scratch in
            var image = TestImage([lower, upper])
            image.configuration = #""User":"web""#
            try image.writeLayout(scratch.appending("layout"))
            let source = ImageSource.path(scratch.appending("layout"), tag: nil, .any)
            let user = try ImageStore.scratch(scratch).resolve(source).configuration.user
            #expect(user.uid == 33 && user.home == "/www" && user.supplementaryGroups == [20])
        }
    }
}
