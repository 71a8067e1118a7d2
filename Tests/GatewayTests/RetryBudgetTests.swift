import Gateway
import Testing

@Suite struct RetryBudgetTests {
    private static let second: UInt64 = 1_000_000_000

    /// Spends all there is.
    private func spend(_ budget: inout RetryBudget) -> Int {
        var count = 0
        while budget.spend() { count += 1 }
        return count
    }

    @Test func `without requests ten a second may be sent again, over ten seconds`() {
        var budget = RetryBudget(perSecond: 10, now: 5 * Self.second)
        #expect(spend(&budget) == 100)
        budget.advance(to: 14 * Self.second)
        #expect(spend(&budget) == 0)
        budget.advance(to: 15 * Self.second)
        #expect(spend(&budget) == 100)
    }

    @Test func `a fifth of the requests of the last ten seconds comes on top`() {
        var budget = RetryBudget(perSecond: 1, now: 0)
        for _ in 0..<1000 { budget.earn() }
        budget.advance(to: 3 * Self.second)
        for _ in 0..<500 { budget.earn() }
        #expect(spend(&budget) == 310)
        budget.advance(to: 10 * Self.second)
        // The first thousand are forgotten, and the retries were made in the fourth second.
        #expect(spend(&budget) == 0)
        budget.advance(to: 13 * Self.second)
        #expect(spend(&budget) == 10)
    }

    @Test func `a long silence forgets everything, and a clock that stands still nothing`() {
        var budget = RetryBudget(perSecond: 2, now: 0)
        for _ in 0..<100 { budget.earn() }
        #expect(spend(&budget) == 40)
        budget.advance(to: 0)
        #expect(spend(&budget) == 0)
        budget.advance(to: 1000 * Self.second)
        #expect(spend(&budget) == 20)
    }
}
