# MachineTable.swift: events are applied to any generation
s/guard slots.indices.contains(machine.slot), slots\[machine.slot\].generation == machine.generation,/guard slots.indices.contains(machine.slot),/
