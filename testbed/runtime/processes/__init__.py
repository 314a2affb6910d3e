"""A facility as processes of this machine, on loopback.

`backend`: makes the builders. `shared_parts`: what all replays of a batch share. `builder`: builds one facility. `runtime`: starts and
ends services. `fork_client`, `fork_server`: a process that has imported everything once, and is forked for each service. `resources`:
what each process takes.
`log_disks`, `packet_filter`: the nearest that processes have to a full disk and a firewall.

Does not import `containers`.
"""
