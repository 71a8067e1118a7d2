/// Why a load test cannot be made.
package enum LoadTestError: Error, Sendable, Equatable, CustomStringConvertible {
    case badURL(String, String)
    /// Nothing accepts connections there; with the kernel's reason.
    case unreachable(LoadTarget, String)
    case badCriterion(String)

    package var description: String {
        switch self {
        case .badURL(let url, let reason):
            "\(url) cannot be tested: \(reason); give a URL such as http://localhost:8080/"
        case .unreachable(let target, let reason):
            "nothing answers at \(target) (\(reason)); start the service or correct the URL"
        case .badCriterion(let text):
            "--fail-on does not know \(text); it takes p50=, p95=, p99=, max= with a time such as 250ms, and errors= with a number or a share such as 1%"
        }
    }
}
