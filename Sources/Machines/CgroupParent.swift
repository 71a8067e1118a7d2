package import HostNetwork

extension NetworkTag {
    /// Where the cgroups of this state directory's machines are made, relative to each hierarchy.
    package var cgroupParent: String { "fcctl/\(description)" }
}
