"""Real means of observing a facility from outside.

`monitoring`: health checks and metrics over HTTP. `py_spy`: thread dumps by process id. `stack_waits`: what a stack waits for, by the
table `stack_waits.toml`. `proc`: a process as /proc shows it. `resource_usage`: its memory, open files and threads.
`thread_waits`: what each thread waits for, by its system call (`system_calls`) and descriptors (`sockets`, `netlink`). `deadlocks`: who
holds which lock, from sources (`lock_source`) and memory (`lock_memory`). `python_threads`: all of that, of any Python process.
`probe`: one connection over a link, and how it ended; also a program. `log_line`: whether a server can still log.
`service_admin`: what a service is, and who has the connections of a pool. `service_locks`: its locks and listen queues, as evidence.

May import errors, concurrency, journal and facility.
"""
