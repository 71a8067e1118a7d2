# Acquisition.swift: an arrival takes capacity before those who wait for it
s/table.update(slot) { \$0.served += 1 }/table.update(slot) { $0.served += 1 }; if let last = queue.waiters.last, outcome == .ok, let slot = table.newest(.idle) { _ = queue.remove(last.ticket); grant(last.ticket, slot, arrived: last.arrived, at: now) }/
