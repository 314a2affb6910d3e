"""What is planned: data that can be read, checked and expanded without starting anything.

`clock`, `night`: the night's own time. `settings`, `topology`: what a facility has, and what a variant may set. `expectation`: what a
scenario expects, and the words for outcome and crack. `facts`: the facts of the case. `schedule`, `passengers`, `trace`: who comes, drawn
from a real week. `scenario`: a scenario as it was read. `package_data`: where scenarios and compose files lie, installed or in a checkout.
`scenario_folders`, `variants`: scenario files and kept variants, by name. `given_file`: opens what somebody names. `written_file`: writes a
file whole or not at all. `decoding`: TOML to records, with every mistake. `sections`: the sections of a scenario file, but its timeline.
`conflicts`: faults of a timeline that one link cannot carry at one time. `impossible`: expectations that no replay can meet. `service`,
`own_service`: a service of somebody else's, and what does not go with it. `template`: texts with `{name}`.

May import errors.
"""
