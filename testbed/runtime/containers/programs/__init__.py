"""Programs that run inside the containers, each started by compose.yaml, the Dockerfile or a command there.

`prepare`: makes the array with the real week, when the image is built. `database_host`: a host of the database pair, and the standby.
`recovery`: makes the standby's data and follows. `offsite`: takes a backup, and restores it beside.

May import what `containers` may; nothing of the testbed imports them.
"""
