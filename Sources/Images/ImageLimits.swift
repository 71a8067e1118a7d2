/// What an image may cost before it is refused; the defaults fit real images and stop bombs.
package struct ImageLimits: Sendable {
    /// Bytes of all layers once decompressed, and of any one file.
    package var bytes: UInt64 = 64 << 30
    /// Entries of all layers together.
    package var entries = 1_000_000
    /// A layer may grow to `freeBytes` at any ratio and beyond that to `ratio` times the bytes it was read from.
    package var ratio: UInt64 = 200
    package var freeBytes: UInt64 = 64 << 20
    package var pathBytes = 4096
    package var depth = 256
    package var layers = 1000
    /// Size of one JSON document: index, manifest, configuration.
    package var documentBytes = 8 << 20
    /// How many indexes may lead to one another before a manifest is reached.
    package var indexDepth = 4

    package init() {}
}
