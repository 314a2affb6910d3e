"""The evidence of a service that is not ours: what it tells of itself, what its threads do, and what others see of it.

`readings`: pool and threads, from Prometheus' text (`metric_name`) or JSON. `dumps`: its threads, by the means that its table names, from
its log (`log_part`) where it writes them there; `program`: which process that is, and whether it outlives being asked. `dump_text`: the
threads of a dump of any kind (`thread`): of a JVM (`jvm_dump`), of Python's faulthandler (`python_dump`), of Go (`go_dump`).
`leaks`: which connections it has lost, by its own word and by the database's. README.md: what is asked of a service, and what is unknown
without it.

May import errors, concurrency, plan, journal, facility and observe.
"""
