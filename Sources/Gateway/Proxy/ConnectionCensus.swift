import NIOConcurrencyHelpers
import NIOCore

/// Counts client connections over all event loops, in all and by client.
struct ConnectionCensus: Sendable {
    enum Verdict { case admitted, tooMany, tooManyOfClient }

    /// What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which is what one subscriber gets.
    struct Client: Hashable, Sendable {
        private let bits: UInt64
        private let isIPv6: Bool

        /// `address` as four or sixteen bytes.
        init(_ address: [UInt8]) {
            bits = address.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
            isIPv6 = address.count == 16
        }
    }

    private let limit: Int
    private let limitPerClient: Int
    private(set) var total = 0
    private(set) var refused: UInt64 = 0
    private var clients: [Client: Int] = [:]

    init(limit: Int, perClient: Int) {
        self.limit = limit
        limitPerClient = perClient
    }

    /// Counts a connection, admitted or not: it is there until it `leave`s. Nil stands for a client without such a limit.
    mutating func arrive(_ client: Client?) -> Verdict {
        total += 1
        if let client { clients[client, default: 0] += 1 }
        if total > limit {
            refused += 1
            return .tooMany
        }
        if let client, clients[client, default: 0] > limitPerClient {
            refused += 1
            return .tooManyOfClient
        }
        return .admitted
    }

    mutating func leave(_ client: Client?) {
        total -= 1
        guard let client, let count = clients[client] else { return }
        clients[client] = count > 1 ? count - 1 : nil
    }
}
