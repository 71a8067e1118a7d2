import Glibc
import NIOCore
import NIOSSL
import SystemPackage

/// A certificate that can be served: read, checked, and made ready for handshakes.
struct ServerIdentity: Sendable {
    let context: NIOSSLContext
    /// Names the certificate is for, in lower case; some begin with `*.`.
    let names: [String]
    /// Seconds since 1970.
    let notBefore: Int
    let notAfter: Int

    /// Reads the files. Waits for the disk.
    init(_ pair: CertificatePair) throws(CertificateError) {
        let chain = try Self.chain(pair.certificate)
        let key = try Self.key(pair.key)
        guard let leaf = chain.first else { throw .notACertificate(pair.certificate) }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["h2", "http/1.1"]
        // For TLS 1.2: forward secrecy and authenticated encryption. TLS 1.3 has nothing else.
        configuration.cipherSuiteValues = [
            .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ]
        configuration.renegotiationSupport = .none
        // A client that does not say goodbye need not be waited for.
        configuration.shutdownTimeout = .seconds(1)
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw .mismatch(certificate: pair.certificate, key: pair.key)
        }
        names = Self.names(leaf)
        notBefore = leaf.notValidBefore
        notAfter = leaf.notValidAfter
    }

    private static func chain(_ path: FilePath) throws(CertificateError) -> [NIOSSLCertificate] {
        let bytes = try read(path)
        do {
            return try NIOSSLCertificate.fromPEMBytes(bytes)
        } catch {
            throw .notACertificate(path)
        }
    }

    private static func key(_ path: FilePath) throws(CertificateError) -> NIOSSLPrivateKey {
        let bytes = try read(path)
        if String(decoding: bytes, as: UTF8.self).contains("ENCRYPTED") { throw .encryptedKey(path) }
        do {
            return try NIOSSLPrivateKey(bytes: bytes, format: .pem)
        } catch {
            throw .notAKey(path)
        }
    }

    private static func names(_ leaf: NIOSSLCertificate) -> [String] {
        leaf._subjectAlternativeNames().filter { $0.nameType == .dnsName }.map {
            String(decoding: $0.contents, as: UTF8.self).lowercased()
        }
    }

    /// More than any chain needs.
    private static let sizeLimit = 1 << 20

    private static func read(_ path: FilePath) throws(CertificateError) -> [UInt8] {
        do {
            let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
            return try file.closeAfter {
                var bytes = [UInt8](repeating: 0, count: sizeLimit)
                var count = 0
                while count < bytes.count {
                    let read = try bytes.withUnsafeMutableBytes { try file.read(into: .init(rebasing: $0[count...])) }
                    if read == 0 { break }
                    count += read
                }
                return Array(bytes.prefix(count))
            }
        } catch {
            if error as? Errno == .noSuchFileOrDirectory { throw .missing(path) }
            throw .unreadable(path, reason: (error as? Errno)?.description ?? "\(error)")
        }
    }
}
