import HTTPWire

/// The streams of a connection whose handlers are at work.
struct OpenStreams: Sequence {
    private var numbers = StreamNumbers()
    private var streams: [ClientStream] = []

    var isEmpty: Bool { streams.isEmpty }
    var count: Int { streams.count }

    subscript(_ id: UInt32) -> ClientStream? { numbers.place(of: id).map { streams[$0] } }

    /// Its number is higher than all before it.
    mutating func append(_ stream: ClientStream) {
        numbers.append(stream.id)
        streams.append(stream)
    }

    @discardableResult
    mutating func remove(_ id: UInt32) -> ClientStream? {
        guard let place = numbers.place(of: id) else { return nil }
        numbers.remove(at: place)
        return streams.remove(at: place)
    }

    func makeIterator() -> IndexingIterator<[ClientStream]> { streams.makeIterator() }
}
