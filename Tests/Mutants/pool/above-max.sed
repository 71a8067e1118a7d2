# Scaling.swift: the memory budget is not looked at
s/table.used < limit, startsInFlight/table.used < configuration.max, startsInFlight/
