package import SystemPackage

/// A certificate chain with its key, each a PEM file.
package struct CertificatePair: Sendable, Hashable {
    package var certificate: FilePath
    package var key: FilePath

    package init(certificate: FilePath, key: FilePath) {
        self.certificate = certificate
        self.key = key
    }
}

/// How the gateway serves HTTPS.
package struct TLSSettings: Sendable, Equatable {
    /// By the name a client asks for; the first one is for everybody else. Not empty.
    package var pairs: [CertificatePair]
    /// A port that answers plain HTTP with a redirect to this gateway. Zero: any free one.
    package var redirectPort: Int?
    /// Tells browsers to come by HTTPS only, for this long.
    package var strictTransport: Duration?
    /// How often the files are looked at.
    package var reloadInterval = Duration.seconds(5)

    package init(pairs: [CertificatePair]) {
        self.pairs = pairs
    }
}
