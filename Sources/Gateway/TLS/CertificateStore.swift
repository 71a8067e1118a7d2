import Glibc
import Logging
import NIOConcurrencyHelpers
import NIOSSL
import SystemPackage
import Telemetry

/// The certificates being served. Files that change are read again; until what they hold is whole and fits, the old ones
/// stay. Connections that are open keep what they began with.
final class CertificateStore: Sendable {
    private struct Entry: Sendable {
        let pair: CertificatePair
        var identity: ServerIdentity
        var stamp: [FileStamp?]
        var loaded: Int
        var failure: CertificateError?
    }

    private struct State: Sendable {
        var entries: [Entry]
        var choice: CertificateChoice
    }

    private let state: NIOLockedValueBox<State>
    private let logger: Logger

    /// Reads all files. Waits for the disk.
    init(_ pairs: [CertificatePair], logger: Logger) throws(CertificateError) {
        var entries: [Entry] = []
        for pair in pairs {
            // The stamp first: a change between the two is then seen later.
            let stamp = Self.stamp(pair)
            entries.append(Entry(pair: pair, identity: try ServerIdentity(pair), stamp: stamp, loaded: Self.now()))
        }
        self.logger = logger
        state = NIOLockedValueBox(
            State(entries: entries, choice: CertificateChoice(entries.map(\.identity.names))))
        for entry in entries { warn(entry) }
    }

    /// What a client gets that asks for `name`, and whether a certificate is for it.
    func context(for name: String?) -> (context: NIOSSLContext, isKnown: Bool)? {
        state.withLockedValue { state in
            let index = name.flatMap { state.choice.index(for: $0) }
            guard let entry = index.map({ state.entries[$0] }) ?? state.entries.first else { return nil }
            return (entry.identity.context, index != nil)
        }
    }

    /// Looks at the files, and reads those that changed. Waits for the disk.
    func refresh() {
        let entries = state.withLockedValue { $0.entries }
        for (index, old) in entries.enumerated() {
            let stamp = Self.stamp(old.pair)
            if stamp == old.stamp { continue }
            var entry = old
            entry.stamp = stamp
            do throws(CertificateError) {
                entry.identity = try ServerIdentity(old.pair)
                entry.loaded = Self.now()
                entry.failure = nil
                logger.notice("certificate read again", metadata: ["path": "\(old.pair.certificate)"])
                warn(entry)
            } catch {
                entry.failure = error
                logger.error("certificate not replaced, the old one stays", metadata: [LogKeys.error: "\(error)"])
            }
            state.withLockedValue { state in
                state.entries[index] = entry
                state.choice = CertificateChoice(state.entries.map(\.identity.names))
            }
        }
    }

    var status: [CertificateStatus] {
        state.withLockedValue { state in
            state.entries.map { entry in
                CertificateStatus(
                    certificate: entry.pair.certificate.string, names: entry.identity.names,
                    notAfter: UTCTime.text(entry.identity.notAfter), loaded: UTCTime.text(entry.loaded),
                    expired: entry.identity.notAfter < Self.now(), error: entry.failure?.description)
            }
        }
    }

    private func warn(_ entry: Entry) {
        let identity = entry.identity
        let metadata: Logger.Metadata = [
            "path": "\(entry.pair.certificate)", "valid.from": "\(UTCTime.text(identity.notBefore))",
            "valid.to": "\(UTCTime.text(identity.notAfter))",
        ]
        if identity.notAfter < Self.now() {
            logger.warning("the certificate has expired; clients will refuse it", metadata: metadata)
        } else if identity.notBefore > Self.now() {
            logger.warning("the certificate is not valid yet; clients will refuse it", metadata: metadata)
        } else if identity.notAfter < Self.now() + 7 * 86_400 {
            logger.warning("the certificate expires within a week", metadata: metadata)
        }
    }

    private static func now() -> Int { time(nil) }

    private static func stamp(_ pair: CertificatePair) -> [FileStamp?] {
        [FileStamp(pair.certificate), FileStamp(pair.key)]
    }
}

/// What `/api/status` says about a certificate.
struct CertificateStatus: Sendable, Encodable {
    let certificate: String
    let names: [String]
    let notAfter: String
    let loaded: String
    let expired: Bool
    /// Why a newer one on disk is not served.
    let error: String?

    private enum CodingKeys: String, CodingKey {
        case certificate, names
        case notAfter = "not_after"
        case loaded, expired, error
    }
}

/// Tells one state of a file from another. A link is followed: where certificates are renewed, it is often the link that changes.
struct FileStamp: Sendable, Equatable {
    private let numbers: [Int]

    init?(_ path: FilePath) {
        var info = stat()
        guard path.withPlatformString({ stat($0, &info) }) == 0 else { return nil }
        numbers = [
            Int(info.st_dev), Int(info.st_ino), Int(info.st_size), info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
            info.st_ctim.tv_sec, info.st_ctim.tv_nsec,
        ]
    }
}

enum UTCTime {
    /// As in RFC 3339, to the second.
    static func text(_ seconds: Int) -> String {
        var time = seconds
        var parts = tm()
        gmtime_r(&time, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
            + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }
}
