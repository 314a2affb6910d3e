"""A class that plays a night in the browser: `testbed class`.

`lessons/`: what a class plays, as files. `live/`: the night on a real facility, and who may do what to it. `inquiry/`: answers beside the
evidence, the score, and preventions. `web/`: who is let in. What browsers show stands on the `board`, made by the `scene` from a
journal's events, with `passengers`, `log_lines`, `waits`, `facility_map` and `source`. `saying`: what the server lets the page say, as
codes. `hold` holds a class; `kept_class`, `recording` and `export` are of nights that are over.

May import errors, concurrency, plan, journal, facility, runtime, replay, faults, operations, scenario_file, verdict, postmortem, report
and experiments.
"""
