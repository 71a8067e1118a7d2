/// Requests of a simulated run: when they come, how long they hold a machine, when their client gives up.
package struct SimulationTrace: Sendable, Equatable {
    package struct Request: Sendable, Equatable {
        /// Seconds from the start of the run.
        package var arrival: Double
        package var service: Double
        /// Seconds a client waits before it leaves. Nil: as long as it takes.
        package var patience: Double?

        package init(arrival: Double, service: Double, patience: Double? = nil) {
            self.arrival = arrival
            self.service = service
            self.patience = patience
        }
    }

    /// By time of arrival.
    package private(set) var requests: [Request]

    package init(requests: [Request]) {
        self.requests = requests.sorted { $0.arrival < $1.arrival }
    }

    /// Reads lines `arrival_s,service_s`; the first line may be these names, empty lines are skipped.
    package init(csv: String) throws(SimulationError) {
        var requests: [Request] = []
        for (number, line) in csv.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(Self.trimmed)
            if fields == [""] || number == 0 && fields.first == "arrival_s" { continue }
            guard fields.count == 2, let arrival = Double(fields[0]), let service = Double(fields[1]) else {
                throw .malformedLine(number + 1, String(line))
            }
            guard arrival.isFinite, service.isFinite, arrival >= 0, service >= 0, arrival < 1e8, service < 1e8 else {
                throw .impossibleTime(number + 1, String(line))
            }
            requests.append(Request(arrival: arrival, service: service))
        }
        guard !requests.isEmpty else { throw .emptyTrace }
        self.init(requests: requests)
    }

    private static func trimmed(_ field: Substring) -> String {
        var field = field
        while field.first?.isWhitespace == true { field.removeFirst() }
        while field.last?.isWhitespace == true { field.removeLast() }
        return String(field)
    }
}

/// Why a simulation cannot be run.
package enum SimulationError: Error, Sendable, Equatable, CustomStringConvertible {
    case malformedLine(Int, String)
    case impossibleTime(Int, String)
    case emptyTrace

    package var description: String {
        switch self {
        case .malformedLine(let number, let line):
            "line \(number) of the trace is '\(line)'; it must be two numbers, arrival_s,service_s"
        case .impossibleTime(let number, let line):
            "line \(number) of the trace is '\(line)'; times must be seconds from 0 to 100000000"
        case .emptyTrace: "the trace has no requests; give it lines of arrival_s,service_s"
        }
    }
}
