import FoundationEssentials
import GuestBoot
import HostNetwork
package import LinuxHost
package import SystemPackage
import VMM

/// The records under `vms/`: small, written atomically, read by every command. Blocking.
package struct MachineRecords: Sendable {
    package let state: StateDirectory

    package init(_ state: StateDirectory) {
        self.state = state
    }

    package func folder(of id: MachineID) -> FilePath { state.machine(id.text) }
    private func file(of id: MachineID) -> FilePath { folder(of: id).appending("metadata.json") }

    /// Makes the machine's folder if it is missing and replaces its record.
    package func write(_ record: MachineRecord) throws(MachineError) {
        do throws(HostError) { try Files.makeDirectory(folder(of: record.id)) } catch { throw .host(error) }
        try replace(record)
    }

    /// Replaces the record of a machine whose folder is still there; does nothing otherwise.
    func update(_ record: MachineRecord) throws(MachineError) {
        guard Files.exists(file(of: record.id)) else { return }
        do throws(MachineError) { try replace(record) } catch {
            // Deleted between the look and the write.
            if case .host(let error) = error, error.errno == .noSuchFileOrDirectory { return }
            throw error
        }
    }

    private func replace(_ record: MachineRecord) throws(MachineError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            try AtomicFile.write(encoder.encode(record), to: file(of: record.id))
        } catch let error as HostError {
            throw .host(error)
        } catch {
            throw .badRecord(record.id, reason: "\(error)")
        }
    }

    /// nil when there is no record; a folder without one is a start that died before its first write.
    package func read(_ id: MachineID) throws(MachineError) -> MachineRecord? {
        guard Files.exists(file(of: id)) else { return nil }
        do {
            let record = try JSONDecoder().decode(MachineRecord.self, from: Data(Files.read(file(of: id))))
            guard record.version == MachineRecord.currentVersion else {
                throw MachineError.badRecord(id, reason: "it has version \(record.version), written by another fcctl")
            }
            return record
        } catch let error as MachineError {
            throw error
        } catch let error as HostError where error.errno == .noSuchFileOrDirectory {
            return nil  // deleted between the look and the read
        } catch let error as HostError {
            throw .host(error)
        } catch {
            throw .badRecord(id, reason: "\(error)")
        }
    }

    /// Ids of all folders that are named like a machine.
    package func ids() throws(MachineError) -> [MachineID] {
        do {
            return try Files.list(state.machines).compactMap { MachineID($0) }
        } catch {
            throw .host(error)
        }
    }

    /// All readable records, oldest first; one that cannot be read does not hide the others.
    package func all() throws(MachineError) -> [MachineRecord] {
        var records: [MachineRecord] = []
        for id in try ids() {
            do {
                if let record = try read(id) { records.append(record) }
            } catch .badRecord {
                continue  // whoever asks for this one hears the reason from `find`
            }
        }
        return records.sorted { ($0.createdAt, $0.id.text) < ($1.createdAt, $1.id.text) }
    }

    /// By full name, or by an id prefix that only one machine has.
    package func find(_ text: String) throws(MachineError) -> MachineRecord {
        let records = try all()
        if let exact = records.first(where: { $0.name.text == text || $0.id.text == text }) { return exact }
        let matches = records.filter { !text.isEmpty && $0.id.text.hasPrefix(text) }
        if let first = matches.first, matches.count == 1 { return first }
        guard matches.isEmpty else { throw .ambiguous(text, matches.map { "\($0.id) (\($0.name))" }) }
        // One that cannot be read is no match above; reading it again says why.
        for id in try ids() where !text.isEmpty && id.text.hasPrefix(text) { _ = try read(id) }
        throw .unknown(text)
    }

    package func remove(_ id: MachineID) throws(MachineError) {
        do {
            try Files.removeTree(folder(of: id))
        } catch {
            throw .host(error)
        }
    }

    /// Runs `body` while no other process makes or judges records.
    func locked<Result>(_ body: () throws(MachineError) -> Result) throws(MachineError) -> Result {
        let lock: FileLock
        do { lock = try FileLock(waitingFor: state.locks.appending("records.lock")) } catch { throw .host(error) }
        let result: Swift.Result<Result, MachineError>
        do throws(MachineError) { result = .success(try body()) } catch { result = .failure(error) }
        _ = consume lock
        return try result.get()
    }

    /// Writes the record of a machine that is about to be made: its name and its VMM's user are nobody else's.
    func create(
        _ request: MachineStarter.Request, vmm: VMMKind, isolation: Isolation
    ) throws(MachineError) -> MachineRecord {
        try locked { () throws(MachineError) in
            let others = try all()
            let name = try freeName(request, among: others)
            var record = MachineRecord(
                id: MachineID(), name: name, owner: request.owner, starter: .current, bootID: ProcessIdentity.bootID(),
                createdAt: WallClock.seconds(), spec: request.spec, vmm: vmm, isolation: isolation)
            record.address = "\(request.slot.address ?? SlotAddresses.guest)"
            record.snapshot = request.snapshot
            record.isTransient = request.isTemplate || request.isTransient ? true : nil
            let taken = Set(others.filter { $0.state != .stopped }.map(\.userID))
            record.userID = MachineRecord.userIDs.first { !taken.contains($0) } ?? MachineRecord.userIDs.lowerBound
            try write(record)
            return record
        }
    }

    private func freeName(
        _ request: MachineStarter.Request, among others: [MachineRecord]
    ) throws(MachineError) -> MachineName {
        let taken = Set(others.map(\.name))
        if let name = request.name {
            if taken.contains(name) { throw .nameTaken(name) }
            return name
        }
        let base = MachineName(afterImage: request.spec.imageName)
        for number in 1... {
            let name = base.numbered(number)
            if !taken.contains(name) { return name }
        }
        return base
    }

    /// The machine has ended: keeps how, as far as its console says.
    func markStopped(_ record: MachineRecord) throws(MachineError) {
        var record = record
        record.state = .stopped
        record.process = nil
        switch LogTail.report(in: folder(of: record.id)) {
        case .ended(let exit, _): record.exit = "\(exit)"
        case .failed(let text): record.exit = "could not boot: \(text)"
        case nil: record.exit = "was killed"
        }
        try write(record)
    }
}
