"""The command line: commands, their options, and what they print while they run.

`main`: the commands by name, exit codes, and the border at which errors become a line. `options`, `output`: shared by the commands.
`scenarios`, `replay`, `trial`, `postmortem`, `report`, `matrix` (and its `minimal`), `scan`, `interactive`, `classroom`, `process_threads`,
`facts`, `lint`, `set_up`: the commands. `journals`: what is judged and reported. `kept`: what the kept matrix says of a scenario. `live`,
`interactive_display`: pictures while something runs. `interruption`: signals. `standard_streams`: where all of it is printed.
`crash_report`: a bug of the testbed.

May import errors, concurrency, plan, journal, facility, observe, faultproxy, runtime, replay, scenario_file, verdict, postmortem, report,
experiments, interactive, classroom and lint.
"""
