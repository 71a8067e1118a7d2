# Timers.swift: waiters have no deadline
s/^        expireWaiters(at: now)$//
