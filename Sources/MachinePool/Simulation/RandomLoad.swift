#if canImport(Glibc)
    import Glibc
#endif

/// A load that nobody designed: one to three sources on top of each other, of kinds, rates and times drawn by the seed.
struct RandomLoad {
    private static let most = 60_000

    private(set) var requests: [SimulationTrace.Request] = []
    private let length: Double
    private var random: SplitMix64

    init(seed: UInt64, length: Double?) {
        var random = SplitMix64(seed: seed &* 7919 &+ 17)
        self.length = length ?? [600, 1800, 3600, 7200][random.below(4)]
        self.random = random
        for _ in 0...self.random.below(3) { addSource() }
        if requests.isEmpty { requests.append(.init(arrival: 0, service: 0.1)) }
    }

    private mutating func pick(_ values: [Double]) -> Double { values[random.below(values.count)] }
    private mutating func exponential(_ mean: Double) -> Double { -log(1 - random.unit()) * mean }

    /// What a source's requests have in common.
    private struct Source {
        let service: Double
        let rate: Double
        let isHeavy: Bool
    }

    private mutating func add(_ time: Double, _ source: Source) {
        guard time < length, requests.count < Self.most else { return }
        let draw = source.isHeavy ? 0.5 * pow(1 - random.unit(), -0.6) : exponential(1)
        requests.append(.init(arrival: time, service: min(60, source.service * draw)))
    }

    /// Arrivals between two times, of which `share` lets some through.
    private mutating func stream(
        _ source: Source, _ start: Double, _ end: Double, share: (Double) -> Double = { _ in 1 }
    ) {
        var time = start + exponential(1 / source.rate)
        while time < min(end, length), requests.count < Self.most {
            if random.unit() < share(time) { add(time, source) }
            time += exponential(1 / source.rate)
        }
    }

    private mutating func addSource() {
        let service = pick([0.02, 0.1, 0.3, 1, 4])
        let source = Source(service: service, rate: pick([0.05, 0.5, 2, 5]) / service, isHeavy: random.chance(0.3))
        let length = length
        switch random.below(6) {
        case 0: stream(source, 0, length)
        case 1: addOnOff(source)
        case 2: addCrowds(source)
        case 3:
            let period = pick([120, 600, 3600])
            stream(source, 0, length) { 0.5 - 0.5 * cos(2 * .pi * $0 / period) }
        case 4: stream(source, 0, length * 0.8) { $0 / length }
        default:
            // Gaps of every size.
            var time = 0.0
            while time < length, requests.count < Self.most {
                time += 0.5 * pow(1 - random.unit(), -1 / 1.2)
                add(time, source)
            }
        }
    }

    private mutating func addOnOff(_ source: Source) {
        let (on, off, isRegular) = (pick([2, 10, 60]), pick([5, 30, 120, 400]), random.chance(0.5))
        var time = off * random.unit()
        while time < length {
            let end = time + (isRegular ? on : exponential(on))
            stream(source, time, end)
            time = end + (isRegular ? off : exponential(off))
        }
    }

    private mutating func addCrowds(_ source: Source) {
        let (gap, size, isRegular) = (pick([15, 60, 300, 900]), 1 + random.below(12), random.chance(0.5))
        var time = gap * random.unit()
        while time < length {
            for _ in 0..<size { add(time + 0.1 * random.unit(), source) }
            time += isRegular ? gap * (0.99 + 0.02 * random.unit()) : exponential(gap)
        }
    }
}
