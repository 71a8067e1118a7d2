import ArgumentParser
import FoundationEssentials
import Gateway
import Glibc
import HostNetwork
import Images
import LinuxHost
import Logging
import MachinePool
import Machines
import NIOCore
import NIOPosix

/// The composition root: image, pool, machines and gateway of one service, wired together and run until a signal.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve an image over HTTP: machines start, pause and go as requests come.",
        discussion: """
            IMAGE is demo, docker-archive:FILE, oci-archive:FILE, oci:DIR[:TAG], a path to one of these, or a name \
            that the local store or a Docker or Podman socket knows. SIGTERM finishes what is in \
            flight; a second one does not.
            """)
    @OptionGroup var global: GlobalOptions
    @OptionGroup var machine: MachineOptions
    @OptionGroup var service: ServiceOptions
    @OptionGroup var proxy: GatewayOptions

    @Option(
        name: .long,
        help: "HOST:PORT of a process that stands in for machines, instead of an image; repeatable. Needs no root.")
    var upstream: [String] = []

    @Argument(help: "The container image.")
    var image: String?

    func validate() throws {
        guard image == nil, upstream.isEmpty else { return }
        throw ValidationError("Missing expected argument '<image>', or --upstream HOST:PORT instead of it.")
    }

    func run() async throws {
        OpenFileLimit.raise()
        guard upstream.isEmpty, let image else {
            return try await ServeSession(
                global: global, machine: machine, service: service, proxy: proxy,
                image: image ?? upstream.joined(separator: ",")
            ).run(upstreams: upstream)
        }
        try global.requireRoot(to: "serving")
        try await ServeSession(global: global, machine: machine, service: service, proxy: proxy, image: image).run()
    }
}

/// What `serve` alone takes.
struct ServiceOptions: ParsableArguments {
    @OptionGroup var limits: PoolOptions
    @OptionGroup var tls: TLSOptions

    @Option(name: .long, help: "What sizes the pool beyond the requests of this moment: reactive, kpa or forecast.")
    var policy = PolicyKind.reactive

    @Option(name: .long, help: "The gateway's name on this state directory (default: after the image).")
    var name: String?

    @Option(name: .long, help: "Where to listen. Anything but a loopback address opens the service to the network.")
    var host = "127.0.0.1"

    @Option(name: .long, help: "Port to listen on.")
    var port: UInt16 = 8080

    @Option(name: .long, help: "Virtual CPUs of one machine.")
    var cpus = 1

    @Option(name: .long, help: "Writable disk of one machine (default: none, writes stay in memory).")
    var diskSize: MemorySize?

    @Option(name: .long, help: "How long SIGTERM lets requests in flight go on.")
    var drainTimeout = TimeOption(.seconds(30))

    @Option(
        name: .long, help: "Record what happens in the pool in this file, for `fcctl simulate --replay`.",
        completion: .file())
    var eventLog: String?

    @Flag(name: .long, help: "Start every machine by a cold boot: make and use no snapshots.")
    var noSnapshots = false

    @Option(name: .long, help: "Requests for / that a template answers before its snapshot is taken.")
    var warmUps = 3

    @Option(name: .long, help: "Path of the app that gets a POST before its snapshot is taken.")
    var beforeSnapshot: String?

    @Option(name: .long, help: "Path of the app that gets a POST in every clone before its first request.")
    var afterRestore: String?

    func validate() throws {
        try Limits.check(cpus: cpus, memory: limits.mem)
        guard (0...1000).contains(warmUps) else { throw ValidationError("--warm-ups is 0 to 1000.") }
        for path in [beforeSnapshot, afterRestore].compactMap({ $0 }) {
            guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                throw ValidationError("--before-snapshot and --after-restore take a path like /hooks/restored.")
            }
        }
        if let diskSize, diskSize < .mebibytes(4) { throw ValidationError("--disk-size is at least 4M.") }
    }

    var hooks: SnapshotHooks {
        var hooks = SnapshotHooks()
        hooks.warmUps = warmUps
        hooks.beforeSnapshotPath = beforeSnapshot
        hooks.afterRestorePath = afterRestore
        return hooks
    }

    var pool: PoolConfiguration {
        var pool = limits.configuration(policy)
        // One wake-up in place of one restore for the next request; what it costs is one machine's memory.
        pool.standby = limits.standby ?? min(1, limits.max)
        return pool
    }
}
