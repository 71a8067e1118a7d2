# Timers.swift: paused machines stay for ever
s/guard alive > keepFloor else { return nil }/guard alive > configuration.max else { return nil }/
