# Drain.swift: the drain has no deadline
s/for state in \[MachineState.draining, .busy\] {/for state in [MachineState.draining] {/
