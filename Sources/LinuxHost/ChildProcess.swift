import CLinuxHost
import Glibc
package import SystemPackage

/// A program to start away from our own privileges, namespaces and descriptors.
package struct ChildProcess: Sendable {
    /// Whom the child runs as.
    package enum Credentials: Sendable, Hashable {
        /// The caller's own user, with no way to gain privileges.
        case inherited
        /// This user and group, without any capability or any way to get one. Needs root.
        case user(UInt32, group: UInt32)
        /// Root with only these capabilities, which are lost for good when it becomes another user. Needs root.
        case root(keeping: Set<Capability>)
    }

    /// The capabilities that a jailer needs; raw values are the kernel's numbers.
    package enum Capability: UInt64, Sendable, CaseIterable {
        case chown = 0
        case bypassFilePermissions = 1
        case bypassOwnership = 3
        case kill = 5
        case setGroup = 6
        case setUser = 7
        case changeRoot = 18
        case administer = 21
        case raiseLimits = 24
        case makeDevices = 27
    }

    package struct Namespaces: OptionSet, Sendable {
        package let rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }
        package static let mount = Namespaces(rawValue: 0x0002_0000)
        package static let hostname = Namespaces(rawValue: 0x0400_0000)
        package static let ipc = Namespaces(rawValue: 0x0800_0000)
        package static let pid = Namespaces(rawValue: 0x2000_0000)
    }

    package var executable: FilePath
    /// Without the program's own name.
    package var arguments: [String]
    package var environment: [String: String] = [:]
    package var directory: FilePath?
    package var cgroup: Cgroup?
    /// A borrowed descriptor of the network namespace to run in.
    package var networkNamespace: Int32?
    package var namespaces: Namespaces = []
    /// Borrowed descriptors that become 3, 4, 5, … in the child; it gets no others.
    package var descriptors: [Int32] = []
    /// Borrowed; `/dev/null` when nil.
    package var standardOutput: Int32?
    package var standardError: Int32?
    package var openFiles: UInt64?
    /// The size in bytes past which no file of the child grows.
    package var fileSize: UInt64?
    package var credentials: Credentials = .inherited

    package init(executable: FilePath, arguments: [String]) {
        self.executable = executable
        self.arguments = arguments
    }

    /// Starts the program: in its cgroups from the first instruction on, in a session of its own, with nothing on its
    /// standard input and core dumps off. When this throws, no process is left. Takes about as long as an exec.
    package func spawn() throws(HostError) -> Pidfd {
        let procs = try cgroup?.openMembership() ?? []
        defer { for descriptor in procs { close(descriptor) } }
        var request = lh_spawn_request()
        request.network_namespace = networkNamespace ?? -1
        request.namespaces = namespaces.rawValue
        request.standard_output = standardOutput ?? -1
        request.standard_error = standardError ?? -1
        request.open_files = openFiles ?? .max
        request.file_size = fileSize ?? .max
        switch credentials {
        case .inherited:
            break
        case .user(let user, let group):
            request.drop_privileges = 1
            request.bound_capabilities = 1
            request.user_id = user
            request.group_id = group
        case .root(let kept):
            request.bound_capabilities = 1
            request.inheritable = kept.reduce(0) { $0 | 1 << $1.rawValue }
        }
        var pidfd: Int32 = -1
        var step: UnsafePointer<CChar>?
        let result = withCStrings([executable.string] + arguments) { argv in
            withCStrings(environment.map { "\($0.key)=\($0.value)" }.sorted()) { envp in
                procs.withUnsafeBufferPointer { cgroups in
                    descriptors.withUnsafeBufferPointer { descriptors in
                        request.cgroups = cgroups.baseAddress
                        request.cgroup_count = cgroups.count
                        request.descriptors = descriptors.baseAddress
                        request.descriptor_count = descriptors.count
                        request.executable = UnsafePointer(argv[0])
                        request.arguments = UnsafePointer(argv)
                        request.environment = UnsafePointer(envp)
                        return withOptionalCString(directory?.string) { path in
                            request.directory = path
                            return lh_spawn(&request, &pidfd, &step)
                        }
                    }
                }
            }
        }
        let operation = step.map { String(cString: $0) } ?? "start"
        try HostError.check(result, "\(operation), starting", executable.string)
        return Pidfd(taking: OwnedDescriptor(pidfd), pid: result)
    }
}

/// Calls `body` with a NULL-terminated array of C strings that live as long as the call.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    let copies = strings.map { strdup($0) }
    let array = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: copies.count + 1)
    array.initialize(from: copies + [nil], count: copies.count + 1)
    defer {
        for copy in copies { free(copy) }
        array.deallocate()
    }
    return body(array)
}

private func withOptionalCString<Result>(_ string: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let string else { return body(nil) }
    return string.withCString { body($0) }
}
