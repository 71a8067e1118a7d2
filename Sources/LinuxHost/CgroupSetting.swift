/// One value in one cgroup file.
struct CgroupSetting: Hashable {
    let version: CgroupHierarchies.Version
    let file: String
    let value: String
    /// Whether the limit is not in force without it; others only make it better.
    var isRequired = true

    static func all(for limits: Cgroup.Limits) -> [(CgroupController, [CgroupSetting])] {
        var result: [(CgroupController, [CgroupSetting])] = []
        if let memory = limits.memory {
            let bytes = String(memory.bytes)
            result.append(
                (
                    .memory,
                    [
                        CgroupSetting(version: .v2, file: "memory.max", value: bytes),
                        CgroupSetting(version: .v2, file: "memory.swap.max", value: "0", isRequired: false),
                        CgroupSetting(version: .v2, file: "memory.oom.group", value: "1", isRequired: false),
                        CgroupSetting(version: .v1, file: "memory.limit_in_bytes", value: bytes),
                        // Memory and swap together: absent when the kernel does not count swap.
                        CgroupSetting(
                            version: .v1, file: "memory.memsw.limit_in_bytes", value: bytes, isRequired: false),
                    ]
                ))
        }
        if let processes = limits.processes {
            let count = String(processes)
            result.append(
                (
                    .pids,
                    [
                        CgroupSetting(version: .v2, file: "pids.max", value: count),
                        CgroupSetting(version: .v1, file: "pids.max", value: count),
                    ]
                ))
        }
        if let cpus = limits.cpus {
            let period = 100_000
            let quota = Int(cpus * Double(period))
            result.append(
                (
                    .cpu,
                    [
                        CgroupSetting(version: .v2, file: "cpu.max", value: "\(quota) \(period)"),
                        CgroupSetting(version: .v1, file: "cpu.cfs_period_us", value: String(period)),
                        CgroupSetting(version: .v1, file: "cpu.cfs_quota_us", value: String(quota)),
                    ]
                ))
        }
        return result
    }
}
