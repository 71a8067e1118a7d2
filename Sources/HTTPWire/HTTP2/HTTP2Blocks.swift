/// Blocks of fields: those of requests as text, and those of responses out of text.
///
/// The scratch is always taken by itself: under the thread sanitizer the compiler fails at what is changed through the
/// session.
extension HTTP2Session {
    /// Writes the head that `block` says into the scratch's text.
    mutating func decodeRequest(
        _ block: UnsafeRawBufferPointer, isWhole: Bool
    ) throws(HTTP2Error) -> RequestBlock {
        let scratch = scratch
        scratch.text.clear()
        var reader = RequestBlockReader()
        try decode(block) { field, fields, text in reader.take(field, fields, into: &text) }
        scratch.fields.withUnsafeBytes { reader.finish(isWhole: isWhole, $0, into: &scratch.text) }
        return reader.block
    }

    /// Writes the fields of `block` behind a last chunk into the scratch's text. False: they break a rule, and with it the message.
    mutating func decodeTrailers(_ block: UnsafeRawBufferPointer) throws(HTTP2Error) -> Bool {
        let scratch = scratch
        scratch.text.clear()
        scratch.text.append("0\r\n")
        var size = 0
        var areGood = true
        try decode(block) { field, fields, text in
            size += field.name.count + field.value.count + 32
            areGood = areGood && size <= RequestBlockReader.listLimit && Self.isTrailer(field, fields)
            if areGood {
                let line = field.name.lowerBound..<(field.value.upperBound + 2)
                text.append(UnsafeRawBufferPointer(rebasing: fields[line]))
            }
            return false
        }
        scratch.text.append("\r\n")
        return areGood
    }

    private static var mostUnfolded: Int { 8 * RequestBlockReader.listLimit }

    private static func isTrailer(_ field: HPACKField, _ text: UnsafeRawBufferPointer) -> Bool {
        do throws(WireError) { try FieldBytes.check(text, name: field.name, value: field.value) } catch { return false }
        return true
    }

    /// Shows each field to `take`, and forgets its text where that returns false.
    @inline(__always)
    private mutating func decode(
        _ block: UnsafeRawBufferPointer,
        _ take: (HPACKField, UnsafeRawBufferPointer, inout WireBuffer) -> Bool
    ) throws(HTTP2Error) {
        let scratch = scratch
        scratch.fields.removeAll(keepingCapacity: true)
        decoder.begin()
        var at = 0
        var unfolded = 0
        do throws(HPACKError) {
            while let field = try decoder.next(block, &at, into: &scratch.fields) {
                let isKept = scratch.fields.withUnsafeBytes { take(field, $0, &scratch.text) }
                unfolded += field.name.count + field.value.count
                if unfolded > Self.mostUnfolded { break }
                if !isKept { scratch.fields.removeSubrange(field.name.lowerBound...) }
            }
        } catch {
            throw HTTP2Error(.compression)
        }
        // One byte can stand for four thousand: what a block costs is not what it weighs.
        if unfolded > Self.mostUnfolded { throw HTTP2Error(.enhanceYourCalm) }
    }
}
