import NIOCore

extension ByteBuffer {
    /// A receive buffer goes back to the loop: only what is left of it is kept.
    mutating func keepOnlyReadable(_ empty: ByteBuffer) {
        let count = readableBytes
        if count == 0 {
            self = empty
        } else if readerIndex > 0 || storageCapacity > 2 * count + 1024 {
            var copy = ByteBufferAllocator().buffer(capacity: count)
            copy.writeImmutableBuffer(self)
            self = copy
        }
    }
}
