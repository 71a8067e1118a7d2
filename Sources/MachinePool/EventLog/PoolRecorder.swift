import NIOConcurrencyHelpers

/// Keeps the events of a running pool with what was decided about each, until somebody takes them to be written.
///
/// It is filled under the pool's lock, so its order is that of the decisions. It never waits: what does not fit is
/// counted and left out.
package final class PoolRecorder: Sendable {
    /// What was recorded since the last time, and how much was left out behind it.
    package struct Batch: Sendable {
        package fileprivate(set) var entries: [Entry] = []
        package fileprivate(set) var dropped = 0

        package var isEmpty: Bool { entries.isEmpty && dropped == 0 }
    }

    package struct Entry: Sendable {
        /// Nanoseconds since the pool was made.
        let time: PoolTime
        let event: PoolEvent
        let actions: [PoolAction]
    }

    private struct State: Sendable {
        var batch = Batch()
        var recorded = 0
        var dropped = 0
    }

    private let state = NIOLockedValueBox(State())
    private let limit: Int

    package init(limit: Int = 100_000) { self.limit = limit }

    func record(_ event: PoolEvent, _ actions: [PoolAction], at time: PoolTime) {
        state.withLockedValue { state in
            // A gap ends what a replay can follow, so nothing is kept behind it until the writer has told of it.
            guard state.batch.dropped == 0, state.batch.entries.count < limit else {
                state.batch.dropped += 1
                state.dropped += 1
                return
            }
            state.recorded += 1
            state.batch.entries.append(Entry(time: time, event: event, actions: actions))
        }
    }

    package func take() -> Batch {
        state.withLockedValue { state in
            defer { state.batch = Batch() }
            return state.batch
        }
    }

    /// Counts what could not be written after all.
    package func lost(_ events: Int) {
        state.withLockedValue { state in
            state.recorded -= events
            state.dropped += events
        }
    }

    var totals: (recorded: Int, dropped: Int) { state.withLockedValue { ($0.recorded, $0.dropped) } }
}

extension PoolRecorder.Batch {
    /// One line of JSON for each event: `{"t":nanoseconds,"e":"event","a":["decision"]}`.
    package func write(to bytes: inout [UInt8]) {
        for entry in entries {
            bytes += Array("{\"t\":\(entry.time.nanoseconds),\"e\":".utf8)
            Self.quote(entry.event.code, into: &bytes)
            bytes += Array(",\"a\":[".utf8)
            for (index, action) in entry.actions.enumerated() {
                if index > 0 { bytes.append(0x2c) }
                Self.quote(action.code, into: &bytes)
            }
            bytes += Array("]}\n".utf8)
        }
        if dropped > 0 { bytes += Array("{\"gap\":\(dropped)}\n".utf8) }
    }

    /// Reasons may hold an app's own words.
    private static func quote(_ text: String, into bytes: inout [UInt8]) {
        bytes.append(0x22)
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5c: bytes += [0x5c, byte]
            case 0x0a: bytes += [0x5c, 0x6e]
            case ..<0x20: bytes += Array("\\u00".utf8) + [Self.digit(byte >> 4), Self.digit(byte & 15)]
            default: bytes.append(byte)
            }
        }
        bytes.append(0x22)
    }

    private static func digit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }
}
