import CGuest

/// One client: its unread requests, its unsent answer, and what its current answer still waits for.
final class Connection {
    enum Work {
        case idle
        /// An answer to be sent at a time.
        case delayed(until: UInt64, [UInt8])
        /// Filler bytes of an answer whose head is on its way.
        case filling(Int)
        /// Server-sent events: number of the next, how many there will be, every so many nanoseconds.
        case events(next: Int, count: Int, interval: UInt64, at: UInt64)
    }

    let socket: Int32
    var parser = RequestParser()
    var work = Work.idle
    var endsAfterAnswer = false
    var hasFailed = false
    private var pending: [UInt8] = []
    private var sent = 0

    init(socket: Int32) {
        self.socket = socket
    }

    deinit {
        close(socket)
    }

    var hasPending: Bool { sent < pending.count }
    var isBusy: Bool { if case .idle = work { hasPending } else { true } }
    var isFinished: Bool { hasFailed || (endsAfterAnswer && !isBusy) }

    var wakeAt: UInt64? {
        switch work {
        case .delayed(let time, _), .events(_, _, _, let time): time
        case .idle, .filling: nil
        }
    }

    func send(_ bytes: [UInt8]) {
        pending.append(contentsOf: bytes)
    }

    /// Continues the current answer as far as time and the socket allow.
    func advance(at now: UInt64) {
        switch work {
        case .delayed(let time, let answer) where now >= time:
            work = .idle
            send(answer)
        case .events(let next, let count, let interval, let time) where now >= time:
            if next < count {
                let text = "data: \(next)\n\n"
                send(Array("\(hexadecimalText(text.utf8.count))\r\n\(text)\r\n".utf8))
                work = .events(next: next + 1, count: count, interval: interval, at: time + interval)
            } else {
                send(Array("0\r\n\r\n".utf8))
                work = .idle
            }
        default: break
        }
        flush()
        while case .filling(let count) = work, !hasPending, !hasFailed {
            let piece = min(count, 64 << 10)
            send([UInt8](repeating: 0x78, count: piece))
            work = count == piece ? .idle : .filling(count - piece)
            flush()
        }
    }

    private func flush() {
        while hasPending {
            let count = pending.withUnsafeBytes {
                CGuest.send(socket, $0.baseAddress?.advanced(by: sent), $0.count - sent, MSG_NOSIGNAL)
            }
            if count > 0 {
                sent += count
            } else if g_errno() == EAGAIN {
                return
            } else if g_errno() != EINTR {
                hasFailed = true
                return
            }
        }
        pending.removeAll(keepingCapacity: true)
        sent = 0
    }

    private func hexadecimalText(_ number: Int) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        var rest = number
        repeat {
            text.insert(digits[rest & 15], at: 0)
            rest >>= 4
        } while rest > 0
        return String(decoding: text, as: UTF8.self)
    }
}
