/// Checks the rules of a running pool after each event, and counts those that are broken: zero in a correct pool.
///
/// What costs the same for any number of machines is checked after every event; the machines are looked at one by one
/// once a second at most.
package struct PoolWatch: Sendable {
    private static let tableEvery: Int64 = 1_000_000_000

    package private(set) var violations = 0
    private var ledger: PoolLedger
    private var tableDue = PoolTime.zero

    package init(concurrency: Int) { ledger = PoolLedger(concurrency: concurrency) }

    /// What to tell people about the first broken rule of this run, which is worth more than all that follow from it.
    /// The state is only looked at; `inout` spares a copy of it.
    package mutating func check(
        _ state: inout PoolState, after event: PoolEvent, _ actions: [PoolAction], at now: PoolTime
    ) -> String? {
        var broken = ledger.book(event, actions)
        let isTableDue = now >= tableDue
        if isTableDue { tableDue = now + Self.tableEvery }
        let found = isTableDue ? state.violations() : state.sumViolations()
        if !found.isEmpty { broken += found }
        guard let first = broken.first else { return nil }
        defer { violations += broken.count }
        return violations == 0 ? "\(first), after \(event.code)" : nil
    }
}
