/// Which certificate a client gets that asks for a name.
struct CertificateChoice: Sendable {
    private var exact: [String: Int] = [:]
    /// By what follows `*`.
    private var wildcards: [String: Int] = [:]

    /// The names of each certificate; where several have the same one, the first of them has it.
    init(_ names: [[String]]) {
        for (index, names) in names.enumerated() {
            for name in names {
                if name.hasPrefix("*.") {
                    let suffix = String(name.dropFirst())
                    if wildcards[suffix] == nil { wildcards[suffix] = index }
                } else if exact[name] == nil {
                    exact[name] = index
                }
            }
        }
    }

    /// Nil when no certificate is for this name. A wildcard stands for one label (RFC 6125 6.4.3).
    func index(for name: String) -> Int? {
        var name = name.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        if let index = exact[name] { return index }
        guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return nil }
        return wildcards[String(name[dot...])]
    }
}
