import Glibc

/// What this host lets the tests do.
enum HostRequirements {
    static let slots = geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0
}
