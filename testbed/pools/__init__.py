"""Pools compared: what connection pools do when their database moves, falls silent, or ends its sessions.

`services/`: a program of each pool; `python_services`: how they are started; `pgbouncer`: a pool in front; `jvm/`: pools
of Java; `families`: which there are.
`database`: the pair behind a virtual IP, and what is done to it; `situations`: in which order. `service`: one that runs, and how it is
asked. `cell`: what is measured, of what; `measure`: measures cells beside each other; `comparison`: all of them. `ending`: the way in
which a cell failed, or came back. `table`: the kept measurements, and the page of them.

May import errors, concurrency, plan, facility and runtime.
"""
