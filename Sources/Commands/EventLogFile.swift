import FoundationEssentials
import Glibc
import LinuxHost
import Logging
import MachinePool
import Machines
import SystemPackage
import Telemetry

/// The file of `--event-log`: what happens in the pool, written beside the requests and never in their way.
final class EventLogFile: Sendable {
    let recorder = PoolRecorder()
    private let path: FilePath
    private let file: OwnedDescriptor

    /// Opens the file and writes its first line.
    init(_ path: FilePath, _ configuration: PoolConfiguration) throws {
        self.path = path
        // A pipe that nobody empties must not hold up the end of the program either.
        file = try Files.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, mode: 0o600)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let header = try encoder.encode(PoolReplay.Header(configuration.normalized()))
        try AtomicFile.writeAll(Array(header) + [0x0a], to: file, path: path)
    }

    /// Writes what was recorded, ten times a second and once more when it is cancelled.
    func run(_ logger: Logger) async {
        var isBroken = false
        repeat {
            // Cancelled: the rest is written at once.
            try? await Task.sleep(for: .milliseconds(100))
            let batch = recorder.take()
            if isBroken {
                recorder.lost(batch.entries.count)
                continue
            }
            do throws(HostError) {
                try await write(batch)
            } catch {
                isBroken = true
                recorder.lost(batch.entries.count)
                logger.warning(
                    "the event log ends here, it cannot be written any more", metadata: [LogKeys.error: "\(error)"])
            }
        } while !Task.isCancelled
    }

    private func write(_ batch: PoolRecorder.Batch) async throws(HostError) {
        guard !batch.isEmpty else { return }
        try await BlockingPool.run { () throws(HostError) in
            var bytes: [UInt8] = []
            batch.write(to: &bytes)
            try AtomicFile.writeAll(bytes, to: self.file, path: self.path)
        }
    }
}
