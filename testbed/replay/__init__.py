"""What happens: the replay of one night over one variant.

`replay`: the one function that knows the order of things. `running`: a replay that goes on, and how one waits in it. `look`: samples the
facility. `timeline`: carries out what is planned. `settle`: when nothing comes back any more. `actions`: what faults and operations may
do, and their protocols. `recorder`: writes the journal. `state`, `load_tracker`: what is known of services and requests. `display`: who
is told.

May import errors, concurrency, plan, journal and facility. It looks at nothing but what it is given, and does not judge.
"""
