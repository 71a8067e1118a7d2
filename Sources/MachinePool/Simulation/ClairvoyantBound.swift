/// What a pool would do that knows the future and whose machines start in no time.
///
/// Requests go in order to the first free place among `max` machines, so no policy serves them sooner in this order;
/// machines exist only while they hold requests, packed as tightly as may be, so none does with fewer machine-seconds.
package enum ClairvoyantBound {
    package static func result(for trace: SimulationTrace, _ configuration: PoolConfiguration) -> SimulationResult {
        let configuration = configuration.normalized()
        let places = configuration.max * configuration.concurrency
        var ends = EventHeap<Void>()
        var held = 0
        var aborted = 0
        var waits: [Double] = []
        var changes: [(time: Double, change: Int)] = []
        for request in trace.requests {
            while let end = ends.nextTime, seconds(end) <= request.arrival {
                _ = ends.pop()
                held -= 1
            }
            var start = request.arrival
            if held >= places, let end = ends.nextTime {
                start = max(start, seconds(end))
                // A client that leaves takes no place from those after it.
                if let patience = request.patience, start - request.arrival > patience {
                    aborted += 1
                    continue
                }
                _ = ends.pop()
                held -= 1
            }
            held += 1
            waits.append((start - request.arrival) * 1000)
            let end = PoolTime(nanoseconds: Int64((start + request.service) * 1e9))
            ends.push((), at: end)
            changes.append((start, 1))
            // The same figure at which the place is free, or two requests would seem to overlap.
            changes.append((max(start, seconds(end)), -1))
        }
        var result = SimulationResult()
        waits.sort()
        result.aborted = aborted
        result.requests = trace.requests.count
        result.waitP50 = SimulationResult.percentile(0.5, of: waits)
        result.waitP99 = SimulationResult.percentile(0.99, of: waits)
        pack(changes, configuration.concurrency, course: CourseRecorder(trace), into: &result)
        return result
    }

    private static func seconds(_ time: PoolTime) -> Double { Double(time.nanoseconds) / 1e9 }

    private static func pack(
        _ changes: [(time: Double, change: Int)], _ concurrency: Int, course: consuming CourseRecorder,
        into result: inout SimulationResult
    ) {
        var level = 0
        var last = 0.0
        for (time, change) in changes.sorted(by: { $0.time != $1.time ? $0.time < $1.time : $0.change < $1.change }) {
            let machines = (level + concurrency - 1) / concurrency
            result.machineSeconds += Double(machines) * (time - last)
            result.peakMachines = max(result.peakMachines, machines)
            level += change
            last = time
            course.record(time, machines: (level + concurrency - 1) / concurrency, waiting: 0)
        }
        result.course = course.points
        result.runningSeconds = result.machineSeconds
    }
}
