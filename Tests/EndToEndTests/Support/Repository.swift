import Glibc
import LinuxHost
import SystemPackage

/// Where the parts that the tests use are found: beside the test bundle and in the checkout.
enum Repository {
    static let root = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        .removingLastComponent()
    static let tools = root.appending(".build-tools")
    static let probe = root.appending("Tests/Guests/probe/out/probe.elf")
    static let firecracker = tools.appending("firecracker")

    /// The built `fcctl`: SwiftPM puts it beside the test bundle.
    static let binary: FilePath = {
        let bundle = Files.linkTarget("/proc/self/exe").map { FilePath($0) } ?? FilePath(CommandLine.arguments[0])
        return bundle.removingLastComponent().appending("fcctl")
    }()

    static let canRun: Bool =
        geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0 && Files.exists(binary)
        && Repository.find("qemu-system-x86_64")

    static let hasFirecracker = Files.exists(firecracker.appending("jailer")) && Files.exists(probe)

    static func find(_ program: String) -> Bool {
        ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"].contains {
            Files.exists(FilePath($0).appending(program))
        }
    }
}
