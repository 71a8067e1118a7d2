# Acquisition.swift: requests are accepted during the drain
s/if draining { return refuse(ticket, .draining) }//
