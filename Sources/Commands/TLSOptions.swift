import ArgumentParser
import Gateway
import SystemPackage

/// HTTPS for `serve`.
struct TLSOptions: ParsableArguments {
    @Option(
        name: .long,
        help: """
            Certificate chain in PEM, leaf first: serve HTTPS and HTTP/2. Repeatable, each with its --tls-key; the name a \
            client asks for picks one, the first is for all others. Files that change are read again.
            """)
    var tlsCert: [String] = []

    @Option(name: .long, help: "Private key in PEM of the --tls-cert in the same place.")
    var tlsKey: [String] = []

    @Option(name: .long, help: "Port that redirects plain HTTP to HTTPS (308).")
    var redirectPort: UInt16?

    @Option(name: .long, help: "Strict-Transport-Security: browsers come by HTTPS only for this long.")
    var hsts: TimeOption?

    func validate() throws {
        guard tlsCert.count == tlsKey.count else {
            throw ValidationError("--tls-cert and --tls-key come in pairs: \(tlsCert.count) and \(tlsKey.count) given.")
        }
        guard tlsCert.isEmpty else { return }
        if redirectPort != nil { throw ValidationError("--redirect-port leads to HTTPS: it needs --tls-cert.") }
        if hsts != nil { throw ValidationError("--hsts is about HTTPS: it needs --tls-cert.") }
    }

    /// Nil: plain HTTP.
    var settings: TLSSettings? {
        if tlsCert.isEmpty { return nil }
        var settings = TLSSettings(
            pairs: zip(tlsCert, tlsKey).map { CertificatePair(certificate: FilePath($0), key: FilePath($1)) })
        settings.redirectPort = redirectPort.map(Int.init)
        settings.strictTransport = hsts?.duration
        return settings
    }
}
