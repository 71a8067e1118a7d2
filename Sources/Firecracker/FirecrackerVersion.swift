/// A release of Firecracker, for example `1.15.1`.
package struct FirecrackerVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let major: Int
    package let minor: Int
    package let patch: Int

    package init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Reads `1.15.1`, `v1.15.1` and `1.17.0-dev`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let plain = text.hasPrefix("v") ? text.dropFirst() : text[...]
        let numbers = plain.prefix { $0 != "-" && $0 != "+" }.split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 3, let major = Int(numbers[0]), let minor = Int(numbers[1]),
            let patch = Int(numbers[2]), major >= 0, minor >= 0, patch >= 0
        else { return nil }
        self.init(major, minor, patch)
    }

    /// Finds the version in what `firecracker --version` prints.
    static func parse(banner: String) -> FirecrackerVersion? {
        let words = banner.split(whereSeparator: \.isWhitespace)
        guard words.first == "Firecracker", words.count > 1 else { return nil }
        return FirecrackerVersion(words[1])
    }

    package static func < (left: FirecrackerVersion, right: FirecrackerVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    package var description: String { "\(major).\(minor).\(patch)" }

    /// The first patch release of each minor that has the fix or the feature; later minors have it from their start.
    /// Some came to several branches at once, so one smallest version does not tell.
    func includes(_ firstPatches: [(minor: Int, patch: Int)]) -> Bool {
        guard major == 1 else { return major > 1 }
        if let branch = firstPatches.first(where: { $0.minor == minor }) { return patch >= branch.patch }
        return firstPatches.allSatisfy { $0.minor < minor }
    }

    /// What is wrong with running this release for strangers; nil when nothing is known.
    package var concern: String? {
        // The security floor: CVE-2026-1386 (jailer), CVE-2026-5747 (virtio-pci), unbounded virtio-rng allocations.
        if includes([(14, 4), (15, 1), (16, 0)]) { return nil }
        return """
            Firecracker \(self) has published security holes (CVE-2026-1386, CVE-2026-5747 among them): use 1.15.1, \
            1.16.1 or newer
            """
    }

    package func has(_ feature: FirecrackerFeature) -> Bool { includes(feature.firstPatches) }
}

/// API fields that older releases refuse: a body with a field that the release does not know is answered with 400.
package enum FirecrackerFeature: Sendable, CaseIterable {
    /// `network_overrides` of `/snapshot/load`.
    case networkOverrides
    /// `track_dirty_pages` of `/snapshot/load`.
    case trackDirtyPagesOnLoad
    /// `PUT /serial`.
    case serialOutput
    /// `clock_realtime` of `/snapshot/load`.
    case clockRealtime
    /// `vsock_override` of `/snapshot/load`.
    case vsockOverride

    var firstPatches: [(minor: Int, patch: Int)] {
        switch self {
        case .networkOverrides: [(12, 0)]
        case .trackDirtyPagesOnLoad: [(13, 0)]
        case .serialOutput: [(14, 0)]
        case .clockRealtime: [(14, 4), (15, 1), (16, 0)]
        case .vsockOverride: [(16, 0)]
        }
    }
}
