# MachineLifecycle.swift: a failed machine is stopped twice
s/case .stopping, .failed: return$/case .failed: return/
