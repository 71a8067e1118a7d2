/// How a line of the access log looks.
package enum AccessLogFormat: String, Sendable, CaseIterable {
    /// One JSON object a line.
    case json
    /// The "combined" format of nginx and Apache.
    case common
}

/// Where the access log goes and how much of it may wait.
package struct AccessLogConfiguration: Sendable, Equatable {
    package enum Destination: Sendable, Equatable {
        case stdout
        case file(String)
    }

    package var format = AccessLogFormat.json
    package var destination = Destination.stdout
    /// Queries carry secrets now and then, so that a path is written without its query unless this is set.
    package var showsQuery = false
    /// Bytes that wait for a slow disk or reader. What comes beyond is dropped and counted.
    package var backlog = 4 << 20

    package init() {}
}
