/// Requests that wait for a machine: first in, first out, with deadlines and cancellation in constant time.
///
/// All waiters of one lane have the same time-out, so the head of a lane is also the first to expire. Requests that lost
/// their machine wait in a lane of their own, ahead of the others.
package struct RequestQueue: Sendable {
    package struct Waiter: Sendable {
        package let ticket: Ticket
        package let arrived: PoolTime
        package let deadline: PoolTime
        package let priority: Bool
        fileprivate var next: Int32
        fileprivate var previous: Int32
    }

    private struct Lane: Sendable {
        var head: Int32 = -1
        var tail: Int32 = -1
    }

    private var nodes: [Waiter] = []
    private var freeNodes: [Int32] = []
    private var index: [Ticket: Int32] = [:]
    private var urgent = Lane()
    private var normal = Lane()

    package init() {}

    package var count: Int { index.count }
    package var isEmpty: Bool { index.isEmpty }

    package mutating func append(_ ticket: Ticket, arrived: PoolTime, deadline: PoolTime, priority: Bool) {
        let tail = priority ? urgent.tail : normal.tail
        let waiter = Waiter(
            ticket: ticket, arrived: arrived, deadline: deadline, priority: priority, next: -1, previous: tail)
        let node: Int32
        if let free = freeNodes.popLast() {
            node = free
            nodes[Int(node)] = waiter
        } else {
            node = Int32(nodes.count)
            nodes.append(waiter)
        }
        if tail >= 0 { nodes[Int(tail)].next = node }
        if priority {
            urgent.tail = node
            if urgent.head < 0 { urgent.head = node }
        } else {
            normal.tail = node
            if normal.head < 0 { normal.head = node }
        }
        index[ticket] = node
    }

    /// The waiter who is served next.
    package var first: Waiter? {
        let head = urgent.head >= 0 ? urgent.head : normal.head
        return head >= 0 ? nodes[Int(head)] : nil
    }

    package mutating func popFirst() -> Waiter? {
        guard let waiter = first else { return nil }
        remove(waiter.ticket)
        return waiter
    }

    /// True if the ticket was waiting.
    @discardableResult
    package mutating func remove(_ ticket: Ticket) -> Bool {
        guard let node = index.removeValue(forKey: ticket) else { return false }
        let waiter = nodes[Int(node)]
        if waiter.previous >= 0 { nodes[Int(waiter.previous)].next = waiter.next }
        if waiter.next >= 0 { nodes[Int(waiter.next)].previous = waiter.previous }
        if waiter.priority {
            if urgent.head == node { urgent.head = waiter.next }
            if urgent.tail == node { urgent.tail = waiter.previous }
        } else {
            if normal.head == node { normal.head = waiter.next }
            if normal.tail == node { normal.tail = waiter.previous }
        }
        freeNodes.append(node)
        return true
    }

    package var nextDeadline: PoolTime? {
        guard let first else { return nil }
        guard urgent.head >= 0, normal.head >= 0 else { return first.deadline }
        return min(first.deadline, nodes[Int(normal.head)].deadline)
    }

    /// Takes one waiter out whose deadline is not after `now`.
    package mutating func popExpired(at now: PoolTime) -> Waiter? {
        for head in [urgent.head, normal.head] where head >= 0 && nodes[Int(head)].deadline <= now {
            let waiter = nodes[Int(head)]
            remove(waiter.ticket)
            return waiter
        }
        return nil
    }

    /// All waiters in the order in which they are served; for checks, linear.
    package var waiters: [Waiter] {
        var result: [Waiter] = []
        for head in [urgent.head, normal.head] {
            var node = head
            while node >= 0 {
                result.append(nodes[Int(node)])
                node = nodes[Int(node)].next
            }
        }
        return result
    }
}
