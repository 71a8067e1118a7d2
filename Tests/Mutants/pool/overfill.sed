# MachineTable.swift: a full machine takes one more
s/slots\[slot\].inflight < cap else/slots[slot].inflight <= cap else/
