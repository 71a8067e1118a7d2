# Acquisition.swift: the queue has no bound
s/if queue.count + table.inflight >= configuration.queueSize/if queue.count + table.inflight >= 1_000_000 + configuration.queueSize/
