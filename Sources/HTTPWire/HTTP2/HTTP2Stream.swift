/// What a connection of HTTP/2 knows of one of its streams.
struct HTTP2Stream: Sendable {
    /// What the client takes of the response.
    var window: FlowWindow
    var offered = OfferedWindow(size: FlowWindow.initial)
    /// The request has ended.
    var isRequestDone: Bool
    /// The response has ended.
    var isResponseDone = false
    /// Bytes of the body that must still come, where its length was said.
    private var rest: UInt64?

    init(window: FlowWindow, isWhole: Bool, length: UInt64?) {
        self.window = window
        isRequestDone = isWhole
        rest = length
    }

    /// A body is as long as it was said to be (RFC 9113 8.1.1).
    var isShort: Bool { rest.map { $0 > 0 } ?? false }

    /// Body has come. False: more than was said.
    mutating func receive(_ count: Int) -> Bool {
        guard let rest else { return true }
        guard rest >= UInt64(count) else { return false }
        self.rest = rest - UInt64(count)
        return true
    }
}

/// The streams that are open. They are few: a search costs less than a hash.
struct HTTP2Streams: Sendable {
    private var numbers = StreamNumbers()
    private var states: [HTTP2Stream] = []

    var count: Int { states.count }
    var indices: Range<Int> { states.indices }

    func place(of stream: UInt32) -> Int? { numbers.place(of: stream) }

    subscript(_ place: Int) -> HTTP2Stream {
        get { states[place] }
        _modify { yield &states[place] }
    }

    /// The number is higher than all before it.
    mutating func append(_ stream: UInt32, _ state: HTTP2Stream) {
        numbers.append(stream)
        states.append(state)
    }

    mutating func remove(at place: Int) {
        numbers.remove(at: place)
        states.remove(at: place)
    }
}

/// Numbers of streams in the order in which they were opened, which is their own (RFC 9113 5.1.1).
package struct StreamNumbers: Sendable {
    private var numbers: [UInt32] = []

    package init() {}

    package func place(of stream: UInt32) -> Int? {
        var (low, high) = (0, numbers.count)
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < stream { low = middle + 1 } else { high = middle }
        }
        return low < numbers.count && numbers[low] == stream ? low : nil
    }

    package mutating func append(_ stream: UInt32) { numbers.append(stream) }

    package mutating func remove(at place: Int) { numbers.remove(at: place) }
}

/// Streams that ended here before their client had ended them: what it has sent meanwhile breaks no rule.
struct AbandonedStreams: Sendable {
    private var recent: [UInt32] = []
    private var next = 0

    /// So many may end at once while frames of theirs are under way.
    static let limit = 1024

    mutating func note(_ stream: UInt32) {
        if recent.count < Self.limit { return recent.append(stream) }
        recent[next] = stream
        next = (next + 1) % Self.limit
    }

    func contains(_ stream: UInt32) -> Bool { recent.contains(stream) }
}
