package import LinuxHost
package import SystemPackage

/// Why a guest cannot be booted.
package enum GuestBootError: Error, CustomStringConvertible {
    case host(HostError)
    /// A value of the image or the command line cannot stand in a run configuration.
    case runConfiguration(RunConfigurationError)
    /// The file is not something a VMM can boot.
    case notAKernel(FilePath, reason: String)
    /// An archive or a compressed kernel could not be read.
    case unreadable(String, reason: String)
    /// No source had a kernel; one sentence for each that was tried.
    case noKernel(tried: [String])
    /// The program was built without its guest part.
    case guestNotBuilt

    package var description: String {
        switch self {
        case .host(let error): error.description
        case .runConfiguration(let error): error.description
        case .notAKernel(let path, let reason):
            "\(path.string) cannot be booted: \(reason); give an uncompressed x86-64 vmlinux"
        case .unreadable(let what, let reason): "cannot read \(what): \(reason)"
        case .noKernel(let tried):
            "no guest kernel was found (\(tried.joined(separator: "; "))): give one with --kernel or FCCTL_KERNEL"
        case .guestNotBuilt:
            "this program was built without the guest's init: run guest/build, then build it again"
        }
    }
}

/// Runs host calls and turns their error into one of ours.
func onHost<Value: ~Copyable>(_ body: () throws(HostError) -> Value) throws(GuestBootError) -> Value {
    do throws(HostError) { return try body() } catch { throw .host(error) }
}

extension RunConfigurationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notAConfiguration: "these bytes are not a run configuration"
        case .truncated: "the run configuration ends too early"
        case .malformed(let tag): "record \(tag) of the run configuration is malformed"
        case .duplicate(let tag): "record \(tag) of the run configuration stands there twice"
        case .containsNUL(let tag):
            switch RunConfiguration.Tag(rawValue: tag) {
            case .argument: "an argument of the command contains a NUL byte, which no program can receive"
            case .variable: "an environment variable contains a NUL byte, which no program can receive"
            case .workingDirectory: "the working directory contains a NUL byte, which no path can have"
            default: "a text of the run configuration contains a NUL byte"
            }
        case .tooLarge: "the command and its environment are larger than 4 MiB together: make them smaller"
        case .noCommand: "the image names no program to run: give it an Entrypoint or a Cmd"
        }
    }
}
