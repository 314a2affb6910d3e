"""What happens: the replay of one night over one variant.

`replay`: the one function that knows the order of things. `running`: a replay that goes on, and its waits. `running_clock`: the night's
clock, held while a step is carried out. `look`: samples the facility. `timeline`: carries out the planned steps. `settle`: when nothing
comes back any more. `switchover`: its five steps, whoever orders it; `takeover`: when the cluster does. `actions`: what faults and
operations may do, and their protocols. `evidence`: asks every part of a facility at once; `hangs`, `outages`: of which. `recorder`: writes
the journal. `state`, `load_tracker`: what is known of services and requests. `display`: what shows the progress.

May import errors, concurrency, plan, journal and facility. It samples only the facility that it is given, and does not judge.
"""
