package import HostNetwork
import LinuxHost
package import VMM

/// Finds what dead processes left behind and removes exactly that. Every command runs it first.
package struct MachineSweep: Sendable {
    package let records: MachineRecords
    /// Any one of each kind: sweeping needs no working VMM.
    package let monitors: [any VMMonitor]
    package let tag: NetworkTag

    package init(records: MachineRecords, monitors: [any VMMonitor], tag: NetworkTag) {
        self.records = records
        self.monitors = monitors
        self.tag = tag
    }

    /// Removes orphans and marks ended machines. A record that cannot be read is left to its owner to look at.
    package func run() async throws(MachineError) {
        let records = records
        let findings = try await BlockingPool.run { () throws(MachineError) in
            try records.cutConsoles()
            return try records.findings()
        }
        for (id, record, verdict) in findings {
            switch (verdict, record) {
            case (.asRecorded, _): continue
            case (.orphaned, let record?): await remove(record)
            case (.orphaned, nil): await free(id)
            case (.ended, let record?): await end(record)
            case (.ended, nil): continue
            }
        }
    }

    /// Kills the machine, frees all that it held and removes its folder.
    package func remove(_ record: MachineRecord) async {
        await free(record.id)
    }

    /// The VMM is gone: free what it held, keep the folder with the record and the log.
    func end(_ record: MachineRecord) async {
        await freeResources(record.id)
        let records = records
        // A record that cannot be written now is judged the same way by the next command.
        try? await BlockingPool.run { () throws(MachineError) in try records.markStopped(record) }
    }

    private func free(_ id: MachineID) async {
        await freeResources(id)
        CrashPoint.resourcesFreed.reach()
        let records = records
        // What cannot be removed now is found again by the next command.
        try? await BlockingPool.run { () throws(MachineError) in try records.remove(id) }
    }

    private func freeResources(_ id: MachineID) async {
        for monitor in monitors {
            // One monitor's failure must not keep the other from cleaning; the folder stays and is swept again.
            try? await monitor.sweep(id: id.text, directory: records.folder(of: id), cgroupParent: tag.cgroupParent)
        }
    }
}

extension MachineRecords {
    typealias Finding = (id: MachineID, record: MachineRecord?, verdict: MachineVerdict)

    /// Looks at every folder under the lock that new records are made with, so that none is seen half made.
    fileprivate func findings() throws(MachineError) -> [Finding] {
        try locked { () throws(MachineError) in
            let bootID = ProcessIdentity.bootID()
            var findings: [Finding] = []
            for id in try ids() {
                let record: MachineRecord?
                do throws(MachineError) { record = try read(id) } catch {
                    if case .badRecord = error { continue }
                    throw error
                }
                guard let record else {
                    findings.append((id, nil, .orphaned))
                    continue
                }
                let vmm = record.process.map { ProcessIdentity(pid: $0.pid, startTime: $0.startTime).isAlive } ?? false
                let verdict = MachineVerdict.judge(
                    record, bootID: bootID, vmmAlive: vmm, starterAlive: record.starter.isAlive,
                    gatewayAlive: try gatewayAlive(record))
                findings.append((id, record, verdict))
            }
            return findings
        }
    }

    private func gatewayAlive(_ record: MachineRecord) throws(MachineError) -> Bool {
        guard case .gateway(let name) = record.owner, let name = MachineName(name) else { return false }
        do { return try GatewayLock.isHeld(name, in: state) } catch { throw .host(error) }
    }
}
