import Glibc

/// How many descriptors this process may have open.
package enum OpenFileLimit {
    /// Raises the limit to the highest that needs no privilege: the usual 1024 is for programs that use `select`.
    ///
    /// Returns what holds then. Children inherit it.
    @discardableResult
    package static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        let before = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 { return Int(clamping: before) }
        return Int(clamping: limit.rlim_cur)
    }
}
