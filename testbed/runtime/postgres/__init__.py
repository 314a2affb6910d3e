"""PostgreSQL: its programs, servers on one array, and what is read from them. Used by both backends.

`programs`: from the wheel, or an installed PostgreSQL. `server`: one server. `array`: the volume that two hosts share. `prepared`: an array
with the real week in it. `pair`: two hosts over one array. `basebackup`: a copy of a running server. `sql`: queries; psycopg's errors are
translated here. `lag`, `ledger`: the recovery standby compared with the database.

Does not import `processes` or `containers`.
"""
