"""Real facilities: where services run, and what is beside them.

`backends`: processes and containers, by name. `processes/`, `containers/`: one folder each. `postgres/`: database servers, for both.
`toxiproxy`, `proxied_link`: links over a fault proxy. `child`, `launch`: processes that die with the testbed. `run_directory`,
`user_home`, `shared_memory`: what a run leaves on a machine, and how the next one removes it.

May import errors, concurrency, plan, journal, facility, observe and load. `postgres` knows neither backend, and no backend the other.
"""
