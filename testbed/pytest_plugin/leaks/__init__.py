"""Connections that were taken from a pool and not given back, with the stack of who took each.

`watch`: what is out, and whom to tell. `taken`: a connection that is out, and its stack. `kinds`: which pool is watched by what. One file
for each kind of pool: `sqlalchemy_pool` by its events; `getconn_pool` (psycopg_pool, psycopg2.pool) and `asyncpg_pool` by wrapping the
methods that take and give. None of these packages is imported unless such a pool is watched.
"""
