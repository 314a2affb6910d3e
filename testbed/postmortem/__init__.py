"""What a post-mortem asks of a night: what could have warned, and what a thread dump tells (P1, P3). Pure functions.

`warning_time`: how long before service stopped each alarm rang, for all of them. `alarm`: when one rings, with every threshold.
`gauges`, `request_alarms`: the alarms on what monitoring samples, and on what requests show. `service_stop`: when service stopped.
`who_waits`: who waits for whom, over all processes, and for what in the end. `loss`: where a connection was lost, by the line of code.

May import plan, journal and verdict.
"""
