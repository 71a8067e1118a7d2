# Timers.swift: a busy machine is paused
s/while let slot = table.oldest(.idle), now - table.slots\[slot\].since >= idleTimeout { pause/while let slot = table.anyBusy ?? table.oldest(.idle), now - table.slots[slot].since >= idleTimeout { pause/
