"""The facility as faults and operations know it: protocols and their do-nothing twins, without any input or output.

`address`, `runtime`: services and where they listen. `link`, `packet_filter`, `probe`, `burst`: what faults act on, and how their
effect is seen. `database`, `log_disks`, `redundancy`: the parts beside the services. `cluster`, `heartbeat_watch`: how the
database hosts watch each other. `load_generator`, `observers`: how it is loaded and
observed. `facility`: all of it together. `builder`, `backend`: what builds one, and where.

May import errors, concurrency, plan and journal; a builder chooses the real means.
"""
