package import LinuxHost
import SystemPackage

/// Why an image cannot be turned into a root file system. The case is the kind: callers map it to an exit status.
package enum ImageError: Error, CustomStringConvertible, Equatable {
    /// No image of that name, or no file at that path; `remedy` says what to try.
    case notFound(image: String, reason: String, remedy: String)
    /// The bytes are there and are not a usable image.
    case badData(subject: String, reason: String)
    /// A container engine that should have delivered the image did not.
    case unavailable(engine: String, reason: String)
    /// This host refused a file operation: disk full, permission and the like.
    case host(HostError)

    package var description: String {
        switch self {
        case .notFound(let image, let reason, let remedy): "cannot find the image \(image): \(reason); \(remedy)"
        case .badData(let subject, let reason):
            "cannot use \(subject): \(reason); build, save or pull the image again, or name another one"
        case .unavailable(let engine, let reason):
            "the container engine at \(engine) did not deliver the image: \(reason); "
                + "check that it runs, or save the image to a file and name that"
        case .host(let error) where error.errno == .noSpace || error.errno == .diskQuotaExceeded:
            "\(error): free some space or choose another folder with --state-dir"
        case .host(let error): error.description
        }
    }

    /// The same error with the image named, for parts that know only a layer or a document of it.
    func inImage(_ image: String) -> ImageError {
        guard case .badData(let subject, let reason) = self, subject != image else { return self }
        return .badData(subject: "\(subject) of \(image)", reason: reason)
    }
}

/// Runs host calls so that what they throw becomes an `ImageError`.
func onHost<Result: ~Copyable>(_ body: () throws(HostError) -> Result) throws(ImageError) -> Result {
    do throws(HostError) {
        return try body()
    } catch {
        throw .host(error)
    }
}
