/// How the image wants its program to be started; everything is checked and users are looked up in the image.
package struct RunConfiguration: Sendable, Hashable, Codable {
    package var entrypoint: [String]
    package var command: [String]
    /// `NAME=value`, each name once.
    package var environment: [String]
    /// Absolute and without `..`.
    package var workingDirectory: String
    package var user: User
    /// The signal that asks the program to end, as its number on Linux x86-64 and arm64.
    package var stopSignal: Int32
    /// TCP ports, lowest first.
    package var exposedPorts: [UInt16]

    /// What to execute: the entrypoint with the command as its arguments; nil when the image has neither.
    package var argv: [String]? {
        let words = entrypoint + command
        return words.isEmpty ? nil : words
    }

    /// The identity of the program, from the image's own /etc/passwd and /etc/group.
    package struct User: Sendable, Hashable, Codable {
        /// As the image says it: empty, `name`, `1000`, `name:group`, `1000:1000`.
        package var name: String
        package var uid: UInt32
        package var gid: UInt32
        package var supplementaryGroups: [UInt32]
        package var home: String

        package init(
            name: String = "", uid: UInt32 = 0, gid: UInt32 = 0, supplementaryGroups: [UInt32] = [], home: String = "/"
        ) {
            self.name = name
            self.uid = uid
            self.gid = gid
            self.supplementaryGroups = supplementaryGroups
            self.home = home
        }
    }

    package init(
        entrypoint: [String] = [], command: [String] = [], environment: [String] = [],
        workingDirectory: String = "/", user: User = User(), stopSignal: Int32 = 15, exposedPorts: [UInt16] = []
    ) {
        self.entrypoint = entrypoint
        self.command = command
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.user = user
        self.stopSignal = stopSignal
        self.exposedPorts = exposedPorts
    }
}

extension RunConfiguration {
    /// The port to serve when the image leaves no doubt: its only exposed one.
    package var singlePort: UInt16? { exposedPorts.count == 1 ? exposedPorts.first : nil }
}
