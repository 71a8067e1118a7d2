# MachineTable.swift: a full machine takes one more
s/slots\[slot\].inflight < concurrency else/slots[slot].inflight <= concurrency else/
