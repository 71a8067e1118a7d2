import CLinuxHost

/// How fast the CPU's time stamp counter runs: an emulated machine must be told, it has nothing to measure it against.
package enum TimeStampCounter {
    /// Kilohertz, measured against the host's clock once per process. Blocks for 20 ms the first time.
    package static let kilohertz: UInt64 = measure()

    /// One measurement of 20 ms, for whoever wants to see how steady it is.
    package static func measure() -> UInt64 {
        UInt64(lh_tsc_kilohertz(20))
    }
}
