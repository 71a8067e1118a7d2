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

    // Loads as services are reported to have them, hours long.

    /// A day of a web site in six hours: a quiet night, a morning ramp, a dip at noon, an evening peak (Urdaneta, Pierre and
    /// van Steen, "Wikipedia workload analysis", Computer Networks 2009).
    case day
    /// Batches at full minutes: every five minutes a small one, every half hour a big one.
    case cron
    /// Functions of one app: timers of three periods, calls without a pattern, rare bursts (Shahrad et al., "Serverless in
    /// the Wild", USENIX ATC 2020).
    case functions
    /// Calls minutes apart, without a pattern: most apps in the same study are called less than once a minute.
    case sparse
    /// Three calls every ten minutes, give or take two seconds: a scraper, a health check.
    case poll
    /// A steady load, and now and then three times as much, which fades within minutes (Ari et al., "Managing flash crowds
    /// on the Internet", MASCOTS 2003).
    case flash
    /// Users who come, click ten times with seconds between, and leave (the sessions of TPC-W).
    case sessions
    /// Events that set off about eight calls at once, at random times: webhooks, map steps, a page with many pictures.
    case fanOut = "fan-out"
    /// Sources that are on and off for times without a typical length (Crovella and Bestavros, "Self-similarity in World
    /// Wide Web traffic", IEEE/ACM ToN 1997).
    case selfSimilar = "self-similar"
    /// A steady load in which one request in a hundred takes a hundred times as long: reports, uploads.
    case heavyTail = "heavy-tail"

    /// Sources drawn by the seed: nobody has seen it.
    case random

    /// Requests of `length` seconds, or as many as the shape takes; the same seed gives the same trace.
    ///
    /// `scale` is the number of machines that the load would keep busy at its base level.
    package func trace(
        seed: UInt64, length: Double? = nil, scale: Double = 4, service: Double = 0.2, idleTimeout: Double = 30
    ) -> SimulationTrace {
        if let requests = serviceLoad(seed: seed, length: length) { return SimulationTrace(requests: requests) }
        // Long enough that the 99th percentile is about the load and not about the first minute.
        let length = length ?? 3600 * (self == .wake ? 6 : 2)
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

    private func serviceLoad(seed: UInt64, length: Double?) -> [SimulationTrace.Request]? {
        if self == .random { return RandomLoad(seed: seed, length: length).requests }
        let hours: [Self: Double] = [.day: 6, .cron: 24, .functions: 24, .sparse: 24, .poll: 72, .heavyTail: 2]
        var loads = ServiceLoads(seed: seed, length: length ?? 3600 * (hours[self] ?? 3))
        switch self {
        case .day: loads.day()
        case .cron: loads.cron()
        case .functions: loads.functions()
        case .sparse: loads.poisson(every: 200, service: 0.4)
        case .poll: loads.poll()
        case .flash: loads.flash()
        case .sessions: loads.sessions()
        case .fanOut: loads.fanOut()
        case .selfSimilar: loads.selfSimilar()
        case .heavyTail: loads.heavyTail()
        default: return nil
        }
        return loads.requests
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
        default: 0
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
