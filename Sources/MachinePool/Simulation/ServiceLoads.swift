#if canImport(Glibc)
    import Glibc
#endif

/// The parts that loads of real services are made of.
struct ServiceLoads {
    private(set) var requests: [SimulationTrace.Request] = []
    private let length: Double
    private var random: SplitMix64

    init(seed: UInt64, length: Double) {
        random = SplitMix64(seed: seed)
        self.length = length
    }

    private mutating func exponential(_ mean: Double) -> Double { -log(1 - random.unit()) * mean }
    private mutating func pareto(_ least: Double, _ shape: Double) -> Double {
        least / pow(1 - random.unit(), 1 / shape)
    }

    /// A request takes half its mean and as much again at random.
    private mutating func add(at time: Double, service: Double) {
        guard time < length else { return }
        requests.append(.init(arrival: time, service: service / 2 + exponential(service / 2)))
    }

    mutating func poisson(every gap: Double, service: Double, from start: Double = 0, until end: Double = .infinity) {
        var time = start + exponential(gap)
        while time < min(end, length) {
            add(at: time, service: service)
            time += exponential(gap)
        }
    }

    /// The whole length is one day.
    mutating func day() {
        let highest = 18.0
        var time = exponential(1 / highest)
        while time < length {
            let hour = time / length * 24
            let bell = { (centre: Double, width: Double) in exp(-pow((hour - centre) / width, 2)) }
            let rate = 1 + 9 * bell(10.5, 2.2) + 8 * bell(15, 2.5) + 12 * bell(20.5, 2)
            if random.unit() * highest < rate { add(at: time, service: 0.25) }
            time += exponential(1 / highest)
        }
    }

    mutating func cron() {
        for minute in stride(from: 5, to: Int(length / 60), by: 5) {
            for _ in 0..<(minute % 30 == 0 ? 12 : 5) { add(at: Double(minute) * 60 + 2 * random.unit(), service: 1.5) }
        }
    }

    mutating func functions() {
        for (period, calls) in [(60.0, 2), (300.0, 6), (900.0, 8)] {
            var time = period * random.unit()
            while time < length {
                for _ in 0..<calls { add(at: time + 0.3 * random.unit(), service: 0.8) }
                time += period
            }
        }
        poisson(every: 20, service: 0.5)
        var time = exponential(1200)
        while time < length {
            let end = time + 10 + exponential(20)
            poisson(every: 0.25, service: 0.5, from: time, until: end)
            time = end + exponential(1200)
        }
    }

    mutating func poll() {
        var time = 60.0
        while time < length {
            for _ in 0..<3 { add(at: time + 0.2 * random.unit(), service: 1) }
            time += 598 + 4 * random.unit()
        }
    }

    mutating func flash() {
        poisson(every: 0.1, service: 0.25)
        var start = exponential(900)
        while start < length {
            var time = start
            while time < start + 180 {
                time += exponential(0.05)
                if random.unit() < exp(-(time - start) / 40) { add(at: time, service: 0.25) }
            }
            start += 180 + exponential(900)
        }
    }

    mutating func sessions() {
        var start = exponential(6)
        while start < length {
            var time = start
            while time < length {
                add(at: time, service: 0.3)
                if random.chance(0.1) { break }
                time += exponential(7)
            }
            start += exponential(6)
        }
    }

    mutating func fanOut() {
        var time = exponential(45)
        while time < length {
            for _ in 0..<(4 + random.below(9)) { add(at: time + 0.02 * random.unit(), service: 0.5) }
            time += exponential(45)
        }
    }

    mutating func selfSimilar() {
        for _ in 0..<12 {
            var time = exponential(20)
            while time < length {
                let end = min(time + pareto(2, 1.4), length)
                poisson(every: 0.4, service: 0.25, from: time, until: end)
                time = end + pareto(6, 1.4)
            }
        }
    }

    mutating func heavyTail() {
        var time = 0.0
        while time < length {
            time += exponential(0.12)
            add(at: time, service: random.chance(0.01) ? 12 : 0.12)
        }
    }
}
