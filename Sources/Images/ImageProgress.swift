/// What is going on while an image is resolved; reported often enough for a progress line, on the calling thread.
package enum ImageProgress: Sendable, Equatable {
    /// Another process builds the same image; this one waits and then uses it.
    case waiting
    /// Bytes that a container engine has delivered so far; it does not say how many there will be.
    case fetching(bytes: UInt64)
    /// A compressed archive is unpacked to find its members.
    case unpacking(bytes: UInt64)
    /// Layer `number` (from 1) of `count`: bytes read of it and its size as stored.
    case layer(number: Int, count: Int, bytes: UInt64, size: UInt64)
    /// Directories, inodes and bitmaps are written and everything is synced.
    case finishing
}
