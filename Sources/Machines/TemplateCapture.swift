import GuestBoot
package import HostNetwork
package import Images
import LinuxHost
package import Snapshots
import VMM

/// Makes the snapshot that all machines of one kind are cloned from: boots a spare machine, warms it up, saves it, and
/// lets nobody have the result before a clone of it has answered.
package struct TemplateCapture: Sendable {
    private let starter: MachineStarter
    private let store: SnapshotStore
    private let spec: MachineSpec
    private let image: StoredImage
    private let hooks: SnapshotHooks
    private let request: NewMachine

    /// A request for one more machine of the kind, in a slot of its own.
    package typealias NewMachine = @Sendable () async throws(MachineError) -> MachineStarter.Request

    package init(
        starter: MachineStarter, store: SnapshotStore, spec: MachineSpec, image: StoredImage, hooks: SnapshotHooks,
        request: @escaping NewMachine
    ) {
        self.starter = starter
        self.store = store
        self.spec = spec
        self.image = image
        self.hooks = hooks
        self.request = request
    }

    /// A snapshot that is there already, all of it read and compared; one that is bad is taken out of service.
    package func existing() async throws(MachineError) -> Snapshot? {
        let (starter, store, spec, image) = (starter, store, spec, image)
        return try await BlockingPool.run { () throws(MachineError) in
            let key = try starter.snapshotKey(spec, image)
            return try store.usable(key)
        }
    }

    /// The snapshot, made now unless it is there. When another process is making the same one, waits for that.
    package func run() async throws(MachineError) -> Snapshot {
        let (starter, store, spec, image) = (starter, store, spec, image)
        let key = try await BlockingPool.run { () throws(MachineError) in try starter.snapshotKey(spec, image) }
        // What was in motion in the template when it was frozen can make a snapshot useless; the next one is taken in
        // another moment.
        var attempts = 1
        while true {
            let found = try await BlockingPool.run { () throws(MachineError) in try store.open(key) }
            switch found {
            case .complete(let snapshot): return snapshot
            case .mine(let draft):
                do throws(MachineError) { return try await capture(draft) } catch {
                    guard case .canary = error, attempts < 3 else { throw error }
                    attempts += 1
                }
            case .othersAtWork:
                do { try await Task.sleep(for: .seconds(1)) } catch { throw .cancelled }
            }
        }
    }

    private func capture(_ draft: SnapshotDraft) async throws(MachineError) -> Snapshot {
        do throws(MachineError) {
            let answer = try await fill(draft)
            CrashPoint.templateWritten.reach()
            let image = spec.imageName
            let candidate = try await BlockingPool.run { () throws(MachineError) in
                do throws(SnapshotError) { return try draft.describe(image: image, answer: answer) } catch {
                    throw MachineError.snapshot(error)
                }
            }
            try await sendCanary(candidate)
            CrashPoint.canaryAnswered.reach()
            return try await BlockingPool.run { () throws(MachineError) in
                do throws(SnapshotError) { return try draft.publish(candidate) } catch {
                    throw MachineError.snapshot(error)
                }
            }
        } catch {
            // What cannot be removed now goes with the next draft or sweep.
            try? await BlockingPool.run { () throws(SnapshotError) in try draft.discard() }
            throw error
        }
    }

    /// Boots the template and writes it into the draft. Returns the status that its app answered with.
    private func fill(_ draft: SnapshotDraft) async throws(MachineError) -> Int? {
        let store = store
        try await BlockingPool.run { () throws(MachineError) in
            do throws(SnapshotError) { try store.requireRoom(for: draft.key) } catch { throw .snapshot(error) }
        }
        var request = try await request()
        request.isTemplate = true
        let (machine, record) = try await starter.start(request)
        do throws(MachineError) {
            // First the caches, then the warm-up: what it touches is what the clones will need.
            try await machine.agent.request(.quiesce, timeout: .seconds(30))
            let answer = try await hooks.warmUp(request.slot, port: record.appPort ?? 0)
            try await hooks.beforeSnapshot(request.slot, port: record.appPort ?? 0)
            CrashPoint.templateWarm.reach()
            // No connection goes into the snapshot.
            await machine.agent.close()
            try await settle()
            do throws(VMMError) { try await machine.vm.capture(to: draft.files) } catch { throw .vmm(error) }
            await machine.destroy()
            return answer
        } catch {
            // What it wrote is what fills the disk, and goes with it.
            let full = await BlockingPool.run { store.fullDisk(for: draft.key) }
            await machine.destroy()
            throw full.map { .snapshot($0) } ?? error
        }
    }

    /// The last packets of the closed connections reach the guest. An interrupt that is on its way to it when it is
    /// frozen can be missing from the snapshot (KVM delivers them from a work queue), and without it a clone's network
    /// never wakes up.
    private func settle() async throws(MachineError) {
        do { try await Task.sleep(for: .milliseconds(300)) } catch { throw .cancelled }
    }

    private func sendCanary(_ candidate: Snapshot) async throws(MachineError) {
        do throws(MachineError) {
            let (machine, record) = try await starter.prepare(try await request(), from: candidate).restore()
            do throws(MachineError) {
                try await hooks.afterRestore(machine.slot, port: record.appPort ?? 0)
                try await hooks.check(machine.slot, port: record.appPort ?? 0, expected: candidate.manifest.answer)
            } catch {
                await machine.destroy()
                throw error
            }
            await machine.destroy()
        } catch {
            if Task.isCancelled { throw .cancelled }
            throw .canary(error.description)
        }
    }
}

/// What is said to the app around a snapshot.
package struct SnapshotHooks: Sendable {
    /// Requests for `/` before the snapshot is taken.
    package var warmUps = 3
    /// Paths of the app that get a POST and must answer with 2xx; nil: it needs to know nothing.
    package var beforeSnapshotPath: String?
    package var afterRestorePath: String?

    package init() {}

    func warmUp(_ slot: Slot, port: UInt16) async throws(MachineError) -> Int? {
        let count = warmUps
        return try await BlockingPool.run { () throws(MachineError) in
            var status: Int?
            for _ in 0..<count {
                status = try GuestRequest.send(to: slot, port: port, timeout: .seconds(30)).status
                if let status, status >= 500 {
                    throw MachineError.template("the app answered a warm-up request with \(status)")
                }
            }
            return status
        }
    }

    /// The clone's app must answer as the template's did.
    func check(_ slot: Slot, port: UInt16, expected: Int?) async throws(MachineError) {
        guard let expected else { return }
        try await BlockingPool.run { () throws(MachineError) in
            let status = try GuestRequest.send(to: slot, port: port).status
            if status != expected {
                throw MachineError.template("it answered \(status) where the template answered \(expected)")
            }
        }
    }

    func beforeSnapshot(_ slot: Slot, port: UInt16) async throws(MachineError) {
        try await call(beforeSnapshotPath, "before the snapshot", slot, port)
    }

    package func afterRestore(_ slot: Slot, port: UInt16) async throws(MachineError) {
        try await call(afterRestorePath, "after the restore", slot, port)
    }

    private func call(_ path: String?, _ when: String, _ slot: Slot, _ port: UInt16) async throws(MachineError) {
        guard let path else { return }
        try await BlockingPool.run { () throws(MachineError) in
            let status = try GuestRequest.send("POST", path, to: slot, port: port, timeout: .seconds(30)).status
            guard (200..<300).contains(status) else {
                throw MachineError.template("the app answered the hook \(path) \(when) with \(status), not 2xx")
            }
        }
    }
}
