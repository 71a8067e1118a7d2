# Timers.swift: machines of the minimum are reaped
s/guard alive > keepFloor else { return nil }/guard alive > 0 else { return nil }/
