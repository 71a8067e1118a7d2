# PoolState.swift: freed capacity is not handed to the last waiter
s/if !queue.isEmpty { serveQueue(at: now) }/if queue.count > 1 { serveQueue(at: now) }/
