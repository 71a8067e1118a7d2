package import SystemPackage

/// Why a certificate cannot be served.
package enum CertificateError: Error, Sendable, Equatable, CustomStringConvertible {
    case missing(FilePath)
    case unreadable(FilePath, reason: String)
    case notACertificate(FilePath)
    case notAKey(FilePath)
    case encryptedKey(FilePath)
    case mismatch(certificate: FilePath, key: FilePath)

    package var description: String {
        switch self {
        case .missing(let path): "\(path) does not exist; --tls-cert and --tls-key name a PEM file each"
        case .unreadable(let path, let reason): "\(path) cannot be read (\(reason))"
        case .notACertificate(let path): "\(path) holds no certificate in PEM format; give the full chain, leaf first"
        case .notAKey(let path): "\(path) holds no private key in PEM format that can be used"
        case .encryptedKey(let path): "the key in \(path) is encrypted; give one without a passphrase"
        case .mismatch(let certificate, let key): "the key in \(key) is not that of the certificate in \(certificate)"
        }
    }
}
