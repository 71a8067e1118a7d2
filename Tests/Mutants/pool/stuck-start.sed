# Timers.swift: a start has no time-out
s/for state in \[MachineState.booting, .restoring, .resuming, .pausing\] {/for state in [MachineState.resuming, .pausing] {/
