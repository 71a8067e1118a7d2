import FoundationEssentials

/// One call of Firecracker's API.
struct FirecrackerRequest: Sendable, Hashable {
    enum Method: String, Sendable {
        case get = "GET"
        case put = "PUT"
        case patch = "PATCH"
    }

    let method: Method
    let path: String
    let body: [UInt8]
    /// What the call does, for an error: "refused to OPERATION".
    let operation: String
    /// The call as it is written to the socket, made once.
    let bytes: [UInt8]

    init(method: Method, path: String, body: [UInt8], operation: String) {
        self.method = method
        self.path = path
        self.body = body
        self.operation = operation
        var head = "\(method.rawValue) \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
        if !body.isEmpty { head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
        bytes = Array((head + "\r\n").utf8) + body
    }

    /// `GET /version`.
    static let version = FirecrackerRequest(method: .get, path: "/version", body: [], operation: "tell its version")
    /// `GET /`: id, state and version.
    static let instance = FirecrackerRequest(method: .get, path: "/", body: [], operation: "tell its state")

    /// `PUT /machine-config`.
    static func machine(_ body: MachineConfiguration) -> FirecrackerRequest {
        make(.put, "/machine-config", body, "size the machine")
    }

    /// `PUT /boot-source`.
    static func bootSource(_ body: BootSource) -> FirecrackerRequest {
        make(.put, "/boot-source", body, "take the kernel")
    }

    /// `PUT /drives/ID`.
    static func drive(_ body: Drive) -> FirecrackerRequest {
        make(.put, "/drives/\(body.drive_id)", body, "attach the disk \(body.drive_id)")
    }

    /// `PUT /network-interfaces/ID`.
    static func network(_ body: NetworkInterface) -> FirecrackerRequest {
        make(.put, "/network-interfaces/\(body.iface_id)", body, "attach the network interface \(body.iface_id)")
    }

    /// `PUT /actions` with `InstanceStart`.
    static let start = make(.put, "/actions", Action(action_type: "InstanceStart"), "boot the machine")

    /// `PATCH /vm`: the guest stands still, and only the API is served.
    static let pause = make(.patch, "/vm", StateChange(state: "Paused"), "pause the machine")
    /// `PATCH /vm`: the guest goes on.
    static let resume = make(.patch, "/vm", StateChange(state: "Resumed"), "resume the machine")

    /// `PUT /snapshot/create`: the machine must be paused, and neither file may be mapped by a clone.
    static func createSnapshot(full: Bool) -> FirecrackerRequest {
        make(
            .put, "/snapshot/create",
            SnapshotCreation(snapshot_type: full ? "Full" : "Diff", snapshot_path: "state", mem_file_path: "mem"),
            "write a snapshot")
    }

    /// `PUT /snapshot/load`, and the guest runs.
    static let loadSnapshot = make(
        .put, "/snapshot/load",
        SnapshotLoad(
            snapshot_path: "state", mem_backend: .init(backend_type: "File", backend_path: "mem"), resume_vm: true),
        "load the snapshot")

    private static func make(
        _ method: Method, _ path: String, _ body: some Encodable, _ operation: String
    ) -> FirecrackerRequest {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(body) else {
            preconditionFailure("a body of strings, numbers and booleans is always JSON")
        }
        return FirecrackerRequest(method: method, path: path, body: Array(data), operation: operation)
    }
}

// The names of the fields are those of the API.

struct MachineConfiguration: Encodable, Hashable {
    let vcpu_count: Int
    let mem_size_mib: UInt64
    /// Left out of the body when nil.
    var track_dirty_pages: Bool?
}

struct BootSource: Encodable, Hashable {
    let kernel_image_path: String
    /// Left out of the body when nil.
    let initrd_path: String?
    let boot_args: String
}

struct Drive: Encodable, Hashable {
    let drive_id: String
    let path_on_host: String
    let is_root_device: Bool
    let is_read_only: Bool
    // The host's page cache is enough for disks that die with their machine; Sync, because Async adds 110 ms a device.
    var cache_type = "Unsafe"
    var io_engine = "Sync"
}

struct NetworkInterface: Encodable, Hashable {
    let iface_id: String
    let host_dev_name: String
    let guest_mac: String
}

private struct SnapshotCreation: Encodable {
    let snapshot_type: String
    let snapshot_path: String
    let mem_file_path: String
}

private struct SnapshotLoad: Encodable {
    struct Memory: Encodable {
        let backend_type: String
        let backend_path: String
    }

    let snapshot_path: String
    let mem_backend: Memory
    let resume_vm: Bool
}

private struct Action: Encodable {
    let action_type: String
}

private struct StateChange: Encodable {
    let state: String
}

/// The answer to `GET /`.
struct InstanceInfo: Decodable, Hashable {
    let id: String
    /// `Not started`, `Running` or `Paused`.
    let state: String
}

/// The answer to `GET /version`.
struct VersionInfo: Decodable, Hashable {
    let firecracker_version: String
}

/// The body of an answer that says no.
struct APIFault: Decodable, Hashable {
    let fault_message: String

    /// The sentence in a fault's body, or as much of the body as is worth showing.
    static func message(in body: [UInt8]) -> String {
        if let fault = try? JSONDecoder().decode(APIFault.self, from: Data(body)) { return fault.fault_message }
        return body.isEmpty ? "no reason was given" : String(decoding: body.prefix(500), as: UTF8.self)
    }
}
