"""Many replays: what runs replay and verdict in their order.

`planned`: what is to be replayed. `header`: the header of a journal. `run_folders`: where journals go. `batch`: a command's replays, some
at a time, each judged. `attempts`: replays that are tried again while their result is unknown. `matrix/`: every scenario over every
variant. `scan/`: every fault on every link. `trial/`: a service of one's own, tried without a file.

May import errors, concurrency, plan, journal, facility, runtime, replay, faults, scenario_file, verdict and report. `matrix` and `scan`
do not know each other.
"""
