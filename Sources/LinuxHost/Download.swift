import CLinuxHost
import Glibc
package import SystemPackage

/// Why bytes from an address did not arrive as they should.
package enum TransferError: Error, CustomStringConvertible {
    case unreachable(url: String, reason: String)
    case status(url: String, Int)
    case wrongDigest(url: String, expected: String, found: String)
    case disk(HostError)

    package var description: String {
        switch self {
        case .unreachable(let url, let reason): "cannot fetch \(url): \(reason)"
        case .status(let url, let code): "cannot fetch \(url): the server answered \(code)"
        case .wrongDigest(let url, let expected, let found):
            "\(url) has sha256 \(found), expected \(expected): it was not kept"
        case .disk(let error): error.description
        }
    }
}

/// HTTP GETs off the request path: pinned downloads and a container engine's socket. All of it blocks.
package enum Transfer {
    private final class Sink {
        let consume: (UnsafeRawBufferPointer) -> Bool
        init(_ consume: @escaping (UnsafeRawBufferPointer) -> Bool) { self.consume = consume }
    }

    /// Streams the body to `consume`, which returns false to end early; returns the HTTP status.
    package static func get(
        _ url: String, unixSocket: FilePath? = nil, stallSeconds: Int = 30,
        _ consume: @escaping (UnsafeRawBufferPointer) -> Bool
    ) throws(TransferError) -> Int {
        let sink = Sink(consume)
        var status = 0
        var reason = [CChar](repeating: 0, count: 256)
        let result = withExtendedLifetime(sink) {
            let context = Unmanaged.passUnretained(sink).toOpaque()
            return lh_transfer_get(
                url, unixSocket?.string, stallSeconds,
                { context, bytes, count in
                    guard let context = context else { return 1 }
                    let sink = Unmanaged<Sink>.fromOpaque(context).takeUnretainedValue()
                    return sink.consume(UnsafeRawBufferPointer(start: bytes, count: count)) ? 0 : 1
                }, context, &status, &reason)
        }
        if result != 0 {
            let text = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw .unreachable(url: url, reason: text)
        }
        return status
    }

    /// Fetches `url` into `path` only if its SHA-256 is `sha256`: a temporary file, synced, then renamed.
    package static func download(
        _ url: String, sha256: String, to path: FilePath, mode: UInt32 = 0o600, stallSeconds: Int = 30
    ) throws(TransferError) {
        let temporary = FilePath(path.string + ".\(getpid()).part")
        defer { try? Files.remove(temporary) }  // gone already after the rename
        do {
            let file = try Files.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
            let raw = file.rawValue
            let hash = SHA256()
            var failure: HostError?
            let status = try get(url, stallSeconds: stallSeconds) { bytes in
                hash.update(bytes)
                var offset = 0
                while offset < bytes.count {
                    let count = write(raw, bytes.baseAddress?.advanced(by: offset), bytes.count - offset)
                    if count < 0, errno != EINTR {
                        failure = HostError("write", temporary.string, Errno(rawValue: errno))
                        return false
                    }
                    offset += max(0, count)
                }
                return true
            }
            guard status == 200 else { throw TransferError.status(url: url, status) }
            let found = hash.finish()
            guard found == sha256 else { throw TransferError.wrongDigest(url: url, expected: sha256, found: found) }
            if let failure { throw failure }
            if fsync(raw) != 0 { throw HostError("sync", temporary.string, Errno(rawValue: errno)) }
            try Files.rename(temporary, to: path)
        } catch let error as HostError {
            throw .disk(error)
        } catch let error as TransferError {
            throw error
        } catch {
            throw .unreachable(url: url, reason: "\(error)")
        }
    }
}
