// What PID 1 knows about the app; the body of the agent protocol's state frame, in this order:
//
//     phase u8 (0 starting, 1 listening, 2 only on loopback, 3 ended) · app port u16
//     started u64, listening u64: uptime in nanoseconds, 0 = not yet
//     exit code u8, signal u8 · message length u16, message
//     number of other listening ports u16, then port u16 and loopback only u8 for each

/// How the app ended: an exit code, or the signal that killed it.
package struct AppExit: Equatable, Sendable {
    package let code: UInt8
    /// 0 when the app ended by itself.
    package let signal: UInt8
    /// Why the app could not be started (code 126 or 127); otherwise empty.
    package let message: [UInt8]

    package init(code: UInt8, signal: UInt8, message: [UInt8]) {
        self.code = code
        self.signal = signal
        self.message = message
    }
}

/// A TCP port with a listener.
package struct ListeningPort: Equatable, Sendable {
    package let number: UInt16
    /// Bound to an address that nobody outside the guest can reach.
    package let isLoopbackOnly: Bool

    package init(number: UInt16, isLoopbackOnly: Bool) {
        self.number = number
        self.isLoopbackOnly = isLoopbackOnly
    }
}

package struct AppState: Equatable, Sendable {
    package enum Phase: Equatable, Sendable {
        case starting
        /// The app port accepts connections from outside the guest.
        case listening
        /// The app port has a listener, but on a loopback address.
        case loopbackOnly
        case ended(AppExit)
    }

    package var phase: Phase
    package var appPort: UInt16
    /// Uptime of the guest when the app was executed, and when its port was first seen open; 0 before that.
    package var startedNanoseconds: UInt64
    package var listeningNanoseconds: UInt64
    /// Listeners other than the app port and the agent.
    package var otherPorts: [ListeningPort]

    package static let maximumOtherPorts = 64

    package init(
        phase: Phase, appPort: UInt16, startedNanoseconds: UInt64 = 0, listeningNanoseconds: UInt64 = 0,
        otherPorts: [ListeningPort] = []
    ) {
        self.phase = phase
        self.appPort = appPort
        self.startedNanoseconds = startedNanoseconds
        self.listeningNanoseconds = listeningNanoseconds
        self.otherPorts = otherPorts
    }

    func write(to writer: inout ByteWriter) {
        var exit = AppExit(code: 0, signal: 0, message: [])
        switch phase {
        case .starting: writer.integer(UInt8(0))
        case .listening: writer.integer(UInt8(1))
        case .loopbackOnly: writer.integer(UInt8(2))
        case .ended(let how):
            writer.integer(UInt8(3))
            exit = how
        }
        writer.integer(appPort)
        writer.integer(startedNanoseconds)
        writer.integer(listeningNanoseconds)
        writer.integer(exit.code)
        writer.integer(exit.signal)
        let message = exit.message.prefix(1024)
        writer.integer(UInt16(message.count))
        writer.append([UInt8](message))
        let ports = otherPorts.prefix(Self.maximumOtherPorts)
        writer.integer(UInt16(ports.count))
        for port in ports {
            writer.integer(port.number)
            writer.flag(port.isLoopbackOnly)
        }
    }

    init?(from reader: inout ByteReader) {
        guard let kind = reader.integer(UInt8.self), kind <= 3, let appPort = reader.integer(UInt16.self),
            let started = reader.integer(UInt64.self), let listening = reader.integer(UInt64.self),
            let code = reader.integer(UInt8.self), let signal = reader.integer(UInt8.self),
            let length = reader.integer(UInt16.self), let message = reader.take(Int(length)),
            let count = reader.integer(UInt16.self)
        else { return nil }
        var ports: [ListeningPort] = []
        for _ in 0..<count {
            guard let number = reader.integer(UInt16.self), let loopback = reader.flag() else { return nil }
            ports.append(ListeningPort(number: number, isLoopbackOnly: loopback))
        }
        let phase: Phase =
            switch kind {
            case 0: .starting
            case 1: .listening
            case 2: .loopbackOnly
            default: .ended(AppExit(code: code, signal: signal, message: message))
            }
        self.init(
            phase: phase, appPort: appPort, startedNanoseconds: started, listeningNanoseconds: listening,
            otherPorts: ports)
    }
}
