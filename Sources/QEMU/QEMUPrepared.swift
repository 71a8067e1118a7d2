import LinuxHost
import NIOPosix
import SystemPackage
import VMM

/// What is needed to capture a machine that was launched as a template.
struct QEMUTemplate: Sendable {
    let memory: QEMUMemory
    let scratchDisk: FilePath?
    let pool: NIOThreadPool

    func write(to snapshot: SnapshotFiles) async throws(HostError) {
        try await pool.offload { () throws(HostError) in
            try memory.write(to: snapshot)
            if let scratchDisk {
                try SparseFile.copy(scratchDisk, to: snapshot.scratchDisk, mode: 0o444)
                try Files.sync(snapshot.scratchDisk)
            }
        }
    }
}

/// A QEMU that has mapped the snapshot's memory and waits for the order to load its state.
final class QEMUPrepared: PreparedMachine {
    private let machine: QEMUMachine

    init(_ machine: QEMUMachine) {
        self.machine = machine
    }

    var process: VMProcess { machine.process }
    var hasEnded: Bool { machine.host.exit.hasEnded }

    func restore() async throws(VMMError) -> any VirtualMachine {
        try await machine.perform("load the snapshot") { () throws(QMPError) in
            try await machine.client.loadState()
        }
        try await machine.resume()
        return machine
    }

    func destroy() async { await machine.destroy() }
}
