import LinuxHost
import Machines
import Snapshots

/// A snapshot as `fcctl snapshot` shows it.
struct SnapshotReport: Encodable, Sendable {
    enum State: String, Encodable {
        case ready, bad
        /// Gone; only the reason is left.
        case quarantined
    }

    var id: String
    var state: State
    var reason: String?
    var image: String?
    var key: SnapshotKey?
    var memory: SnapshotManifest.Content?
    var stateFile: SnapshotManifest.Content?
    var bytesOnDisk: UInt64?
    var clones: Int?
    var createdAt: Int64?
    var usedAt: Int64?

    private enum CodingKeys: String, CodingKey {
        case id, state, reason, image, key, memory, clones
        case stateFile = "vm_state"
        case bytesOnDisk = "bytes_on_disk"
        case createdAt = "created_at"
        case usedAt = "used_at"
    }

    init(_ note: QuarantineNote) {
        id = note.id.text
        state = .quarantined
        reason = note.reason
        image = note.image
        createdAt = note.at
    }

    init(_ id: SnapshotID, state: State) {
        self.id = id.text
        self.state = state
    }
}

/// The snapshots of a state directory beside the records of the machines that are clones of them. Blocking.
struct SnapshotShelf: Sendable {
    let store: SnapshotStore
    private let records: MachineRecords

    static func open(_ global: GlobalOptions) async throws -> SnapshotShelf {
        _ = try await MachineControl.open(global)  // sweeps
        return SnapshotShelf(store: SnapshotStore(global.state), records: MachineRecords(global.state))
    }

    /// Machines that run, wait or are paused on the snapshot's memory.
    func clones(of id: SnapshotID) throws(MachineError) -> Int {
        try records.all().count { $0.snapshot == id.text && $0.state != .stopped }
    }

    func reports() throws -> [SnapshotReport] {
        try store.ids().compactMap { id in
            // One that has gone since they were counted is none.
            do { return try report(id) } catch SnapshotError.unknown { return nil }
        }
    }

    func report(_ id: SnapshotID) throws -> SnapshotReport {
        var report = SnapshotReport(id, state: .ready)
        do throws(SnapshotError) {
            guard let snapshot = try store.find(id) else { throw .unknown(id.text) }
            report.image = snapshot.manifest.image
            report.key = snapshot.manifest.key
            report.memory = snapshot.manifest.memory
            report.stateFile = snapshot.manifest.state
            report.createdAt = snapshot.manifest.createdAt
        } catch {
            guard case .damaged(let reason) = error else { throw error }
            report.state = .bad
            report.reason = reason
        }
        report.bytesOnDisk = store.allocated(id)
        report.clones = try clones(of: id)
        report.usedAt = store.lastUsed(id)
        return report
    }

    /// nil when the snapshot is what it was; otherwise it is quarantined, and this is why.
    func verify(_ id: SnapshotID) throws(SnapshotError) -> String? {
        do throws(SnapshotError) {
            guard let snapshot = try store.find(id) else { throw .unknown(id.text) }
            try store.verify(snapshot)
            return nil
        } catch {
            guard case .damaged(let reason) = error else { throw error }
            try store.quarantine(id, reason: reason)
            return reason
        }
    }

    static func tell(_ ids: [SnapshotID], _ global: GlobalOptions) throws {
        if global.output == .json { return try Output.json(ids.map { ["id": $0.text] }) }
        for id in ids { Output.data(id.text) }
    }
}
