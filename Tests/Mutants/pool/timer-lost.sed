# Timers.swift: no timer for the queue
s/consider(queue.nextDeadline)//
