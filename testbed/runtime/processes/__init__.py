"""A facility as processes of this machine, on loopback.

`backend`: makes the builders. `shared_parts`: what all replays of a batch share. `builder`: builds one facility.
`runtime`: starts and ends services. `fork_client`, `fork_server`: a process that has imported everything once and forks
each service. `own_services`, `own_monitoring`, `own_dump`, `foreign`, `keeper`: somebody else's program in the place of each server.
`other_driver`: a version of the driver that one service has to itself. `resources`: resource usage. `shortages`: what the
machine lacked, by logs that `new_lines` reads. `parts`: what failed by itself beside the services.
`log_disks`, `packet_filter`: what comes closest to a full disk and a firewall without containers.

Does not import `containers`.
"""
