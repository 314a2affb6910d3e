"""What a post-mortem asks of a night: what could have warned, and what a thread dump tells (P1, P3).

`questions`: the five questions of the case, and their answers. `warning_time`: how long before service stopped each alarm rang, for all of
them. `alarm`: when one rings, with every threshold. `gauges`, `request_alarms`: the alarms on what monitoring samples, and on what requests
show. `service_stop`: when service stopped. `stack_reading`: what a thread dump tells, for all of it. `dump`: its threads and their calls.
`libraries`, `protocols`, `thread_kinds`: which libraries are on the stacks, which protocols are spoken, and what kinds of thread there are,
each with its table.

May import errors, plan, journal and verdict.
"""
