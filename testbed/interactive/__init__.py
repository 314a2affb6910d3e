"""A facility that is kept running, and the commands that other terminals send to it.

`protocol`: commands and replies, as lines. `control_socket`: the Unix socket they go over. `server`: builds the facility, keeps it running
and serves commands. `executor`: carries them out. `identity`: whose facility it is. `client`: sends one. `night`: a night without a
timeline. `leftovers`: what killed testbeds left, to be swept.

May import errors, concurrency, plan, journal, facility, runtime, replay, faults, operations, scenario_file and experiments.
"""
