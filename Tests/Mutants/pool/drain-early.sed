# Drain.swift: the drain is over before the machines are
s/if table.used == 0, queue.isEmpty, !drainedSent/if table.inflight == 0, queue.isEmpty, !drainedSent/
