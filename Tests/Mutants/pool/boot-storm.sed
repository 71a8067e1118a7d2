# Scaling.swift: no limit on starts in flight
s/startsInFlight < configuration.startsInFlight,/startsInFlight < configuration.max,/
