import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    /// A small run of `Benchmarks/chaos/run`, which makes a thousand kills.
    @Suite struct KillStormTests {
        @Test func `fifty kills of busy processes under load lose no GET`() throws { try storm("upstreams") }

        @Test(
            .enabled(
                if: Repository.hasFirecracker && Files.exists("/dev/kvm"),
                "needs /dev/kvm, scripts/fetch-firecracker and the probe guest (make -C Tests/Guests/probe)"))
        func `fifty kills of busy Firecracker machines under load lose no GET`() throws { try storm("machines") }

        private func storm(_ kind: String) throws {
            // The script looks at each promise; what it prints names the one that was broken, and the seed.
            print(
                try Fcctl.tool(
                    Repository.root.appending("Benchmarks/chaos/run").string,
                    [kind, "--fcctl", Repository.binary.string, "--kills", "50", "--limit", "60"]))
        }
    }
}
