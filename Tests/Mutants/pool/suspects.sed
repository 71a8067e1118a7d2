# Health.swift: a machine that recovered stays suspect
s/if table.slots\[slot\].strikes >= Self.strikesAllowed { suspects -= 1 }//
