# Timers.swift: after a failed start nobody looks whether the next one is allowed: those who wait are never served
s/if breaker.failures > 0, breaker.nextPermit > now { consider(breaker.nextPermit) }//
