// PID 1 of a microVM: boots the image's tree, starts the app, answers the host, ends the machine with the app.
import CGuest

@main
struct Init {
    /// Words of the kernel command line that the kernel does not know arrive as arguments; they are ignored.
    static func main() {
        do throws(BootError) {
            let configuration = try boot()
            let supervisor = try Supervisor(configuration.0, scratch: configuration.1)
            supervisor.run()
        } catch {
            Console.write("fcctl: guest failed: \(error.operation): \(describe(errno: error.code))\n")
        }
        sync()
        let result = g_restart()
        Console.write("fcctl: guest failed: restart: \(describe(errno: -result))\n")
        while true { pause() }
    }

    private static func boot() throws(BootError) -> (RunConfiguration, scratch: Int32) {
        g_catch_ctrl_alt_del()
        try FileSystems.mountBasics()
        let configuration = try readConfiguration()
        try Modules.load()
        if !configuration.entropy.isEmpty {
            // The host decides whether it sends any: the kernel has other sources and may go on without.
            _ = g_add_entropy(configuration.entropy, configuration.entropy.count, 0)
        }
        if configuration.clockNanoseconds > 0 {
            try BootError.check(g_set_clock(configuration.clockNanoseconds), "set the clock")
        }
        try Network.bringUp(configuration)
        let scratch = try FileSystems.assembleRoot(scratch: configuration.usesScratchDisk)
        try FileSystems.switchRoot()
        FileSystems.mountConveniences()
        Identity.write(configuration)
        Network.writeNames(configuration)
        return (configuration, scratch)
    }

    private static func readConfiguration() throws(BootError) -> RunConfiguration {
        guard let bytes = readFile("/run.config", limit: RunConfiguration.maximumLength) else {
            throw BootError("read /run.config", ENOENT)
        }
        unlink("/run.config")
        do throws(RunConfigurationError) {
            return try RunConfiguration(decoding: bytes)
        } catch {
            throw BootError("decode /run.config", EINVAL)
        }
    }
}
