import ArgumentParser

/// Requests at once on the command line: a number, or `auto`.
enum ConcurrencyOption: ExpressibleByArgument, CustomStringConvertible, Equatable {
    case fixed(Int)
    case learned

    /// What is learned never goes above this.
    static let mostLearned = 1000

    init?(argument: String) {
        if argument == "auto" {
            self = .learned
        } else if let number = Int(argument) {
            self = .fixed(number)
        } else {
            return nil
        }
    }

    /// The most requests a machine can come to hold.
    var most: Int {
        switch self {
        case .fixed(let number): number
        case .learned: Self.mostLearned
        }
    }

    var description: String {
        switch self {
        case .fixed(let number): "\(number)"
        case .learned: "auto"
        }
    }
}
