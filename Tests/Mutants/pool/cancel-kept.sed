# Acquisition.swift: a client that left is still served
s/guard queue.remove(ticket) else { return }/guard queue.waiters.contains(where: { $0.ticket == ticket }) else { return }/
