import HTTPWire
import NIOCore
import NIOHTTP2

/// What is agreed on with machines that speak HTTP/2.
enum MachineLinkSettings {
    private static let connectionWindow = 1 << 20
    /// Heads are sent in one frame of at most 16 KiB; this much fits however it is encoded, but for exotic text.
    static let largestHead = 12 * 1024

    /// What machines may do is bounded by what clients ask of them.
    static var connection: NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .initialWindowSize, value: 65_535),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 16 * 1024),
            HTTP2Setting(parameter: .enablePush, value: 0),
        ]
        configuration.targetWindowSize = connectionWindow
        configuration.maximumConnectionGlitches = 200
        // What is in flight for a stream that was reset must not end the connection, however many are reset at once.
        configuration.maximumRecentlyResetStreams = 2048
        // gRPC measures bandwidth with pings, one for each round trip of a busy connection.
        configuration.controlFrameRateLimit.maximumCount = 500
        configuration.controlFrameRateLimit.windowLength = .seconds(1)
        return configuration
    }

    static var stream: NIOHTTP2Handler.StreamConfiguration {
        var configuration = NIOHTTP2Handler.StreamConfiguration()
        configuration.targetWindowSize = 65_535
        configuration.outboundBufferSizeHighWatermark = 64 * 1024
        configuration.outboundBufferSizeLowWatermark = 56 * 1024
        return configuration
    }
}
