/// Bytes of DATA that one side may still send, on a stream or a connection (RFC 9113 5.2).
struct FlowWindow: Sendable, Equatable {
    static let initial: Int32 = 65_535

    private(set) var room: Int32

    init(_ room: Int32 = initial) { self.room = room }

    /// May go below zero: the peer can make a window smaller than what is under way.
    mutating func take(_ count: Int) { room -= Int32(clamping: count) }

    /// False when it would pass the largest number there is.
    mutating func grow(by increment: Int32) -> Bool {
        let (sum, overflows) = room.addingReportingOverflow(increment)
        if overflows { return false }
        room = sum
        return true
    }
}

/// The window that this side offers: it is opened again when half of it is used up and was dealt with.
struct OfferedWindow: Sendable, Equatable {
    private let size: Int32
    private var window: FlowWindow
    private var handled: Int32 = 0

    init(size: Int32, offered: Int32 = FlowWindow.initial) {
        self.size = size
        window = FlowWindow(offered)
    }

    /// Bytes have come. False: more than was offered.
    mutating func receive(_ count: Int) -> Bool {
        window.take(count)
        return window.room >= 0
    }

    /// Bytes were dealt with. Returns by how much to open the window again; zero: not yet.
    mutating func handle(_ count: Int) -> UInt32 {
        handled += Int32(clamping: count)
        guard handled >= size / 2, window.grow(by: handled) else { return 0 }
        defer { handled = 0 }
        return UInt32(handled)
    }
}
