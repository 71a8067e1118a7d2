/// A rule of RFC 7541 that a header block breaks. Each is a COMPRESSION_ERROR of the connection: the table is lost.
package enum HPACKError: String, Error, Sendable, CaseIterable, CustomStringConvertible {
    case truncated = "the header block ends inside a field"
    case integerTooLarge = "an integer in the header block is too large"
    case unknownIndex = "the header block refers to an entry that its table does not have"
    case lateSizeUpdate = "a table size update stands after a field"
    case tooManySizeUpdates = "a header block begins with more than two table size updates"
    case sizeUpdateTooLarge = "a table size update is larger than what was allowed"
    case malformedHuffman = "a Huffman string ends in wrong padding or holds the end-of-string symbol"

    package var description: String { rawValue }
}

/// Where the parts of a field stand in the text that it was appended to.
package struct HPACKField: Sendable, Equatable {
    package let name: Range<Int>
    package let value: Range<Int>
}
