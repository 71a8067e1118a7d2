/// RFC 7541, 5.2: a string in a header block, not yet decoded.
struct HPACKString {
    private let start: Int
    private let length: Int
    private let isHuffman: Bool

    /// Nothing.
    init() {
        (start, length, isHuffman) = (0, 0, false)
    }

    /// Moves past the string.
    @inline(__always)
    init(_ block: UnsafeRawBufferPointer, _ at: inout Int) throws(HPACKError) {
        isHuffman = at < block.count && block[at] >= 0x80
        length = try HPACKInteger.read(block, &at, mask: 0x7f)
        guard length <= block.count &- at else { throw .truncated }
        start = at
        at &+= length
    }

    /// The most bytes that `read` writes.
    @inline(__always)
    var bound: Int { isHuffman ? HuffmanDecoder.bound(length) : length }

    /// Writes the text to `memory` and says how long it is.
    @inline(__always)
    func read(
        _ block: UnsafeRawBufferPointer, _ huffman: HuffmanDecoder, to memory: UnsafeMutableRawPointer
    ) throws(HPACKError) -> Int {
        guard length > 0, let base = block.baseAddress else { return 0 }
        if isHuffman {
            guard let decoded = huffman.decode(base + start, length, to: memory) else {
                throw .malformedHuffman
            }
            return decoded
        }
        memory.copyMemory(from: base + start, byteCount: length)
        return length
    }
}
