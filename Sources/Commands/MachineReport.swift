import FoundationEssentials
import Machines
import VMM

/// A machine as `list -o json`, `info` and `run -o json` show it; field names are a promise to scripts.
struct MachineReport: Encodable {
    let id: String
    let name: String
    let state: String
    let image: String
    let imageDigest: String
    let ip: String?
    let appPort: UInt16?
    let cpus: Int
    let memMiB: UInt64
    let diskMiB: UInt64?
    let egress: String
    let vmm: String
    let isolation: String
    let pid: Int32?
    let gateway: String?
    let createdAt: Int64
    let exit: String?
    let phasesMs: [String: Double]?
    let totalMs: Double?

    init(_ record: MachineRecord) {
        id = record.id.text
        name = record.name.text
        state = record.state.rawValue
        image = record.image
        imageDigest = record.imageDigest
        ip = record.address
        appPort = record.appPort
        cpus = record.vcpus
        memMiB = record.memoryMiB
        diskMiB = record.diskMiB
        egress = record.egress
        vmm = record.vmm.rawValue
        isolation = record.isolation.rawValue
        pid = record.process?.pid
        if case .gateway(let name) = record.owner { gateway = name } else { gateway = nil }
        createdAt = record.createdAt
        exit = record.exit
        phasesMs = record.phases.map { phases in
            Dictionary(phases.steps.map { ($0.name.replacing(" ", with: "_"), $0.milliseconds) }) { first, _ in first }
        }
        totalMs = record.phases?.total
    }

    enum CodingKeys: String, CodingKey {
        case id, name, state, image, ip, cpus, egress, vmm, isolation, pid, gateway, exit
        case imageDigest = "image_digest"
        case appPort = "app_port"
        case memMiB = "mem_mib"
        case diskMiB = "disk_mib"
        case createdAt = "created_at"
        case phasesMs = "phases_ms"
        case totalMs = "total_ms"
    }

    /// `info`'s lines, in reading order.
    var lines: [(String, String)] {
        var lines: [(String, String)] = [("id", id), ("name", name), ("state", state)]
        if let exit { lines.append(("exit", exit)) }
        lines.append(("image", image))
        lines.append(("digest", imageDigest))
        if let ip { lines.append(("address", appPort.map { "\(ip):\($0)" } ?? ip)) }
        lines.append(("cpus", "\(cpus)"))
        lines.append(("memory", "\(memMiB) MiB"))
        lines.append(("disk", diskMiB.map { "\($0) MiB" } ?? "none: writes stay in memory"))
        lines.append(("egress", egress))
        lines.append(("vmm", "\(vmm), isolation: \(isolation)"))
        if let pid { lines.append(("pid", "\(pid)")) }
        if let gateway { lines.append(("gateway", gateway)) }
        return lines
    }
}
