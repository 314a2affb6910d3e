"""Real facilities: where services run, with databases, links and all else that a facility has.

`backends`: processes and containers, by name. `processes/`, `containers/`: one folder each. `postgres/`: database servers, for both.
`cluster/`: how the hosts of a pair watch each other. `toxiproxy`, `proxied_link`, `shared_network`: links over a fault proxy. `child`,
`launch`: processes that die with the testbed. `owner`: as whom one runs. `run_directory`, `user_home`, `shared_memory`: what a run has
on a machine, and how the next run removes what a killed one left. `user_cache`: what is kept between runs. `credentials`: the secrets
of a run. `versions`: what it runs on. `busyness`: how busy the machine is. `questions`: what can be asked of a facility when something
is wrong with it. `inspector`: the processes of its services, by what the kernel tells of them.

May import errors, concurrency, plan, journal, facility, observe, foreign and load. `postgres` knows neither backend, and no backend the
other.
"""
