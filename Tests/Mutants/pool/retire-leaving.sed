# Acquisition.swift: a machine that is stopped for its failures is replaced as a worn one as well
s/case .idle, .busy: if isWorn(slot) { retire(slot, at: now) }/case .idle, .busy, .stopping: if isWorn(slot) { retire(slot, at: now) }/
