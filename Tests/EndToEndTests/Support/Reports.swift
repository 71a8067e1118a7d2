import FoundationEssentials
import LinuxHost
import SystemPackage
import Testing

/// `/api/status`, as far as the tests look at it.
struct Status: Decodable {
    struct Start: Decodable {
        let count: Int
        let avg_ms: Double
    }

    enum Setting: Decodable, Equatable {
        case number(Double)
        case text(String)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {  // a text then
                self = .number(number)
            } else {
                self = .text(try container.decode(String.self))
            }
        }
    }

    let instances: [String: Int]
    let requests: [String: Int]
    let starts: [String: Start]
    let config: [String: Setting]
    let restores: Bool?
    let last_failure: Failure?

    struct Failure: Decodable {
        let reason: String
        let count: Int
    }
}

/// An entry of `/api/instances`.
struct Instance: Decodable {
    let id: String
    let state: String
    let requests: Int
}

/// What `list -o json`, `info -o json` and `run -o json` print about a machine.
struct MachineReport: Decodable {
    let id: String
    let name: String
    let state: String
    let image: String
    let ip: String?
    let app_port: Int?
    let cpus: Int
    let mem_mib: Int
    let vmm: String
    let pid: Int32?
    let gateway: String?
    let exit: String?
    let phases_ms: [String: Double]?
}

/// What `snapshot ls -o json` says of each.
struct SnapshotSummary: Decodable {
    let id: String
    let state: String
    let reason: String?
    let clones: Int?
}

extension Fcctl {
    /// The VMMs of the clones that wait to be needed; no command lists them.
    func preparedClones() -> [Int32] {
        struct Record: Decodable {
            struct Monitor: Decodable { let pid: Int32 }
            let state: String
            let process: Monitor?
        }
        let folder = state.appending("vms")
        // A record may go while it is looked for.
        return ((try? Files.list(folder)) ?? []).compactMap { id in
            let text = HostTraces.text(folder.appending(id).appending("metadata.json"))
            let record = try? decode(Record.self, text)
            return record?.state == "prepared" ? record?.process?.pid : nil
        }
    }

    func snapshots() throws -> [SnapshotSummary] {
        try decode([SnapshotSummary].self, try succeed(["snapshot", "ls", "--output", "json"]))
    }

    /// Waits until a snapshot is ready and `count` clones of it are, running or prepared; its id.
    @discardableResult
    func untilCloned(_ count: Int = 1) throws -> String {
        var found: SnapshotSummary?
        try until("\(count) clones are prepared", within: 120) {
            found = try snapshots().first { $0.state == "ready" && ($0.clones ?? 0) >= count }
            return found != nil
        }
        return found?.id ?? ""
    }

    /// Waits until the next machine of the gateway at `url` would be a clone; the snapshot's id. The canary is a clone, too,
    /// and there before anything is restored for a request.
    func untilRestoring(_ url: String) throws -> String {
        try until("starts are restores", within: 120) {
            try HTTP.get(url + "/api/status").json(Status.self).restores == true
        }
        return try untilCloned()
    }

    /// Starts a gateway on a free port and waits until it says where it listens.
    func serve(
        _ arguments: [String], environment: [String: String] = [:], within seconds: Int = 120
    ) throws -> (gateway: Program, url: String) {
        let gateway = try start(["serve", "--port", "0"] + arguments, environment: environment)
        let line = try gateway.line(with: "http://", within: seconds)
        let url = try #require(line.split(separator: " ").first { $0.hasPrefix("http://") })
        return (gateway, String(url))
    }

    func report(_ machine: String) throws -> MachineReport {
        try decode(MachineReport.self, try succeed(["info", machine, "--output", "json"]))
    }

    func list() throws -> [MachineReport] {
        try decode([MachineReport].self, try succeed(["list", "--output", "json"]))
    }

    func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }

    /// Waits for something that sends no event.
    func until(_ what: String, within seconds: Int = 60, _ isTrue: () throws -> Bool) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try !isTrue() {
            guard ContinuousClock.now < deadline else {
                throw Program.TimedOut(description: "waited \(seconds) s until \(what)")
            }
            shortPause()
        }
    }
}

extension Fcctl {
    /// Asks a machine's app at the address and port that `info` shows; the body of its answer.
    func ask(_ machine: String, _ path: String, port: Int? = nil) throws -> String {
        let report = try report(machine)
        let address = try #require(report.ip)
        let url = "http://\(address):\(port ?? report.app_port ?? 3000)\(path)"
        return try Fcctl.tool("curl", ["--silent", "--show-error", "--max-time", "60", url])
    }
}
