import FoundationEssentials
import Glibc
import LinuxHost
import SystemPackage

/// The Unix socket of a Docker Engine, or of Podman, which speaks the same protocol.
struct EngineSocket: Sendable, Hashable {
    let path: FilePath
    /// Seconds without a byte after which an engine counts as hung; saving a large image starts slowly.
    var stallSeconds = 120

    /// What an engine says about a name.
    enum Answer: Equatable {
        case image(id: String)
        case unknown
    }

    private struct Inspection: Decodable {
        let Id: String
    }

    private struct Message: Decodable {
        let message: String?
        let cause: String?
    }

    /// Where an engine may listen: what the environment names, and only without that the usual places.
    static func candidates(_ environment: [String: String]) -> [EngineSocket] {
        for name in ["DOCKER_HOST", "CONTAINER_HOST"] {
            guard let value = environment[name], !value.isEmpty else { continue }
            return value.hasPrefix("unix://") ? [EngineSocket(path: FilePath(String(value.dropFirst(7))))] : []
        }
        var paths = ["/var/run/docker.sock", "/run/podman/podman.sock"]
        if let folder = environment["XDG_RUNTIME_DIR"] { paths.append(folder + "/podman/podman.sock") }
        return paths.map { EngineSocket(path: FilePath($0)) }
    }

    var exists: Bool { Files.exists(path) }

    /// Asks which image the name stands for now.
    func inspect(_ reference: ImageReference) throws(ImageError) -> Answer {
        var body: [UInt8] = []
        let status = try get("/images/\(reference)/json", stallSeconds: min(stallSeconds, 15)) { bytes in
            body.append(contentsOf: bytes)
            return body.count <= 16 << 20
        }
        if status == 404 { return .unknown }
        guard status == 200 else { throw refusal(status, body) }
        guard let inspection = try? JSONDecoder().decode(Inspection.self, from: Data(body)) else {
            throw .unavailable(engine: path.string, reason: "its answer about \(reference) cannot be understood")
        }
        return .image(id: inspection.Id)
    }

    /// Streams the image into `spool` as an archive.
    func save(
        _ reference: ImageReference, into spool: inout Spool, limit: UInt64, _ progress: (ImageProgress) -> Void
    ) throws(ImageError) {
        let sink = Sink(limit: limit)
        var failure: HostError?
        // The spool is only used by the transfer while this call lasts, on this thread.
        let status = try withUnsafeMutablePointer(to: &spool) { spool throws(ImageError) in
            try withoutActuallyEscaping(progress) { progress throws(ImageError) in
                try get("/images/\(reference)/get", stallSeconds: stallSeconds) { bytes in
                    do throws(HostError) { try spool.pointee.append(bytes) } catch {
                        failure = error
                        return false
                    }
                    return sink.count(bytes, progress)
                }
            }
        }
        if let failure { throw .host(failure) }
        if sink.isOver {
            throw .badData(subject: "the image", reason: "it is larger than the limit of \(limit >> 20) MiB")
        }
        if status == 404 {
            throw .notFound(
                image: reference.description, reason: "the engine at \(path.string) no longer has it",
                remedy: "pull it again")
        }
        guard status == 200 else { throw refusal(status, sink.start) }
    }

    /// Counts what arrives and keeps its start, which is the message when the status says that it failed.
    private final class Sink {
        let limit: UInt64
        var total: UInt64 = 0
        var reported: UInt64 = 0
        var start: [UInt8] = []
        var isOver: Bool { total > limit }

        init(limit: UInt64) {
            self.limit = limit
        }

        func count(_ bytes: UnsafeRawBufferPointer, _ progress: (ImageProgress) -> Void) -> Bool {
            total += UInt64(bytes.count)
            if start.count < 4096 { start.append(contentsOf: bytes.prefix(4096 - start.count)) }
            if total >= reported + 4 << 20 {
                reported = total
                progress(.fetching(bytes: total))
            }
            return !isOver
        }
    }

    private func get(
        _ target: String, stallSeconds: Int, _ consume: @escaping (UnsafeRawBufferPointer) -> Bool
    ) throws(ImageError) -> Int {
        var ended = false
        do throws(TransferError) {
            return try Transfer.get("http://localhost" + target, unixSocket: path, stallSeconds: stallSeconds) {
                bytes in
                let goesOn = consume(bytes)
                if !goesOn { ended = true }
                return goesOn
            }
        } catch {
            if ended { return 0 }
            guard case .unreachable(_, let reason) = error else {
                throw .unavailable(engine: path.string, reason: error.description)
            }
            throw .unavailable(engine: path.string, reason: reason)
        }
    }

    private func refusal(_ status: Int, _ body: [UInt8]) -> ImageError {
        // An engine's message is a courtesy; the status says enough without it.
        let message = (try? JSONDecoder().decode(Message.self, from: Data(body)))?.message
        let text = message.map { ": " + printable($0.utf8) } ?? ""
        return .unavailable(engine: path.string, reason: "it answered with status \(status)\(text)")
    }
}
