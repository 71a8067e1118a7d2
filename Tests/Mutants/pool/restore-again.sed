# MachineLifecycle.swift: a snapshot that failed is tried again
s/^            mayRestore = false$//
