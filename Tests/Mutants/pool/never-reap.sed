# Timers.swift: paused machines stay for ever
s/return table.oldest(.paused).map { (\$0, table.slots\[\$0\].since + scaleDown) }/return nil/
