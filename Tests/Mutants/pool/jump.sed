# PoolClock.swift: a clock that steps back stops the pool
s/if now - time > Self.tolerance {/if now - time > .max - 1 {/
