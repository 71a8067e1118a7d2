package import ArgumentParser
import Glibc

/// The command line: parses, runs one command, turns an error into one sentence and a sysexits status.
package struct FcctlCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "fcctl",
        abstract: "Run any container image as an autoscaling HTTP service of microVMs.",
        discussion: """
            fcctl serve demo            serve the built-in demo on http://localhost:8080
            fcctl serve IMAGE           serve a docker-archive, an OCI layout or an image of the local engine
            fcctl run IMAGE             start one machine and leave it running
            """,
        version: "fcctl 0.1.0",
        subcommands: [
            RunCommand.self, ListCommand.self, InfoCommand.self, PauseCommand.self, ResumeCommand.self,
            StopCommand.self, DeleteCommand.self, LogsCommand.self, ServeCommand.self, SnapshotCommand.self,
            BenchCommand.self, StressCommand.self, SimulateCommand.self,
        ])

    package init() {}

    package static func main() async {
        // A reader that goes away (`fcctl logs | head`) is no crash.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as ExitCode {
            Glibc.exit(error.rawValue)
        } catch  where isAboutArguments(error) {
            exit(withError: error)
        } catch {
            Output.talk("fcctl: " + String(describing: error).terminalSafe)
            Glibc.exit(ExitCodes.code(for: error))
        }
    }

    /// Help, version and parse errors are ArgumentParser's to print; it exits with 0 or 64.
    private static func isAboutArguments(_ error: any Error) -> Bool {
        let code = exitCode(for: error)
        return code == .success || code == .validationFailure
    }
}
