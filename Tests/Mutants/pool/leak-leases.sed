# MachineLifecycle.swift: leases of a dead machine are not counted as failed
s/totals.failed += table.dropLeases(slot)/_ = table.dropLeases(slot)/
