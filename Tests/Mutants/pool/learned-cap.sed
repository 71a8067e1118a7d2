# MachineTable.swift: machines are given more requests than were learned to be good for them
s/slots\[slot\].inflight < cap else/slots[slot].inflight < concurrency else/
