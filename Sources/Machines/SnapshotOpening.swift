import Snapshots

extension SnapshotStore {
    enum Opening: Sendable {
        case complete(Snapshot)
        case mine(SnapshotDraft)
        case othersAtWork
    }

    /// A snapshot of `key` whose files are what they were; a bad one is quarantined and nil.
    func usable(_ key: SnapshotKey) throws(MachineError) -> Snapshot? {
        do throws(SnapshotError) {
            do throws(SnapshotError) {
                guard let snapshot = try find(key) else { return nil }
                try verify(snapshot)
                return snapshot
            } catch {
                guard case .damaged(let reason) = error else { throw error }
                try quarantine(key.id, reason: reason)
                return nil
            }
        } catch {
            throw .snapshot(error)
        }
    }

    /// Finds the snapshot or the right to make it.
    func open(_ key: SnapshotKey) throws(MachineError) -> Opening {
        if let snapshot = try usable(key) { return .complete(snapshot) }
        do throws(SnapshotError) {
            guard let draft = try draft(key) else { return .othersAtWork }
            // Another process may have finished between the look and the lock.
            if let snapshot = try find(key) { return .complete(snapshot) }
            return .mine(draft)
        } catch {
            throw .snapshot(error)
        }
    }
}
