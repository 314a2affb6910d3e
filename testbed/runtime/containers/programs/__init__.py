"""Programs that run inside the containers, each started by compose.yaml, the Dockerfile or a command in a container.

`prepare`: makes the array with the real week, when the image is built. `database_host`: a host of the database pair, or the standby.
`heartbeats`: what such a host sends to the other, and hears of it.
`versions`: says what the image has. `inspect_service`: looks at the threads, locks and listen queues of a container's service.
`recovery`: makes the standby's data. `offsite`: takes a backup, and restores one to a separate server.

May import what the rest of its package may; nothing of the testbed imports them.
"""
