"""Real means of observing a facility from outside.

`monitoring`: health checks and metrics over HTTP. `py_spy`: thread dumps by process id. `proc`: memory, open files and threads from /proc.
`probe`: one connection over a link, and how it ended; also a program. `log_line`: whether a server can still log.
`service_admin`: what a service is, and who has the connections of a pool.

May import errors, concurrency, journal and facility.
"""
