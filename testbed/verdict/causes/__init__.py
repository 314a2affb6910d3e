"""Causes: what threads wait for in the end, each read off the evidence of one moment.

`cause`: what one is. `seen`: what the evidence has of a part, and why it has nothing. `request_threads`: what those of a dump were at.
`calls`: behind another end of a connection. `pools`: behind a pool of connections. `loss`: the line at which one was lost. `databases`:
behind a database server. `locks`: behind locks and full queues. `own_connections`: a caller that has none left. `callers_load`: a caller
that repeats too much. `slowness`: what is at work and slow. `wrong_address`: servers that do not use the virtual IP. `wrong_package`: a
version that only those have that lost connections. Who waits for whom, `who_waits` in the room above puts together.
"""
