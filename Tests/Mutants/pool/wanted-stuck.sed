# MachineTable.swift: a pause that was taken back has no time-out
s/guard state == .pausing, let wanted = index(lists\[Self.wanted\].tail)/guard state == .failed, let wanted = index(lists[Self.wanted].tail)/
