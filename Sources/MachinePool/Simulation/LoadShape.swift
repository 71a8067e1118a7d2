#if canImport(Glibc)
    import Glibc
#endif

/// Loads that tell scaling policies apart.
package enum LoadShape: String, Sendable, CaseIterable {
    case steady, ramp, diurnal
    /// On for 10 s, off for as long as the idle time-out.
    case onOff = "on-off"
    /// Twice the load for 20 s of every two minutes.
    case burst
    /// Many clients at once, most of which leave before they are served.
    case abortStorm = "abort-storm"
    /// One long request among many short ones.
    case longShort = "long-short"
    /// Clients that all come at once to a pool at rest.
    case wake

    /// Requests of `length` seconds; the same seed gives the same trace.
    ///
    /// `scale` is the number of machines that the load would keep busy at its base level.
    package func trace(
        seed: UInt64, length: Double = 1800, scale: Double = 4, service: Double = 0.2, idleTimeout: Double = 30
    ) -> SimulationTrace {
        var random = SplitMix64(seed: seed)
        let base = scale / service
        var requests: [SimulationTrace.Request] = []
        var time = 0.0
        // Thinning: arrivals at the highest rate, of which the rate of the moment lets a share through.
        let highest = base * 2.5
        while true {
            time += -log(1 - random.unit()) / highest
            if time >= length { break }
            guard random.unit() < rate(at: time, length: length, idleTimeout: idleTimeout) * base / highest else {
                continue
            }
            requests.append(request(at: time, service: service, &random))
        }
        if self == .wake || self == .abortStorm {
            requests += crowds(length: length, count: Int(scale * 2), service: service, idle: idleTimeout, &random)
        }
        return SimulationTrace(requests: requests)
    }

    /// The load as a multiple of the base.
    private func rate(at time: Double, length: Double, idleTimeout: Double) -> Double {
        switch self {
        case .steady, .longShort: 1
        case .ramp: 0.1 + 2 * time / length
        case .diurnal: 1 - 0.9 * cos(2 * .pi * time / 600)
        case .onOff: time.truncatingRemainder(dividingBy: 10 + idleTimeout) < 10 ? 1.5 : 0
        case .burst: time.truncatingRemainder(dividingBy: 120) < 20 ? 2 : 1
        case .abortStorm: 0.5
        case .wake: 0
        }
    }

    private func request(at time: Double, service: Double, _ random: inout SplitMix64) -> SimulationTrace.Request {
        let draw = -log(1 - random.unit())
        if self == .longShort {
            let isLong = random.chance(0.02)
            return SimulationTrace.Request(arrival: time, service: isLong ? service * 25 : service * 0.5 * draw)
        }
        return SimulationTrace.Request(arrival: time, service: service * (0.5 + 0.5 * draw))
    }

    private func crowds(
        length: Double, count: Int, service: Double, idle: Double, _ random: inout SplitMix64
    ) -> [SimulationTrace.Request] {
        var requests: [SimulationTrace.Request] = []
        var time = 20.0
        while time < length {
            let leaving = self == .abortStorm
            for _ in 0..<(leaving ? count * 6 : count) {
                let patience = leaving && random.chance(0.8) ? 0.05 + 0.2 * random.unit() : nil
                requests.append(
                    SimulationTrace.Request(
                        arrival: time + 0.05 * random.unit(), service: service * (0.5 + random.unit()),
                        patience: patience))
            }
            time += 2.2 * idle + 5
        }
        return requests
    }
}
