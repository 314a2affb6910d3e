"""PostgreSQL: its programs, its servers on one array, and queries. Used by both backends.

`programs`: from the wheel, or an installed PostgreSQL. `server`: one server. `held_ports`: its ports, once it has ended. `array`: the
volume that two hosts share. `prepared`: an array with the real week in it. `kept_array`: the same, made once for all runs. `roles`: who
may log in. `pair`: two hosts over one array. `held_start`: a server that is held where it recovers. `standby`: one that follows another.
`basebackup`: a copy of a running server.
`sql`: queries; the one file that knows psycopg. `lag`, `ledger`: the recovery standby compared with the database. `activity`: what a
server says of its sessions and locks. `service_sessions`: those of one service. `session_probe`: a probe that has logged in.

Does not import `processes` or `containers`.
"""
