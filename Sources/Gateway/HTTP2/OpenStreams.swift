/// The streams of a connection by their numbers, which only grow. They are few: a search costs less than a hash.
struct OpenStreams: Sequence {
    private var streams: [ClientStream] = []

    var isEmpty: Bool { streams.isEmpty }

    subscript(_ id: UInt32) -> ClientStream? { place(of: id).map { streams[$0] } }

    /// Its number is higher than all before it.
    mutating func append(_ stream: ClientStream) { streams.append(stream) }

    @discardableResult
    mutating func remove(_ id: UInt32) -> ClientStream? { place(of: id).map { streams.remove(at: $0) } }

    private func place(of id: UInt32) -> Int? {
        var (low, high) = (0, streams.count)
        while low < high {
            let middle = (low + high) / 2
            if streams[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < streams.count && streams[low].id == id ? low : nil
    }

    func makeIterator() -> IndexingIterator<[ClientStream]> { streams.makeIterator() }
}
