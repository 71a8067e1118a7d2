/// Metadata keys of log lines, so that the same thing has one name in every target.
package enum LogKeys {
    package static let request = "request.id"
    package static let machine = "machine.id"
    package static let slot = "slot"
    package static let image = "image"
    package static let startKind = "start.kind"
    package static let stateFrom = "state.from"
    package static let stateTo = "state.to"
    package static let duration = "duration.ms"
    package static let error = "error"
}
