"""What was seen: a file for each replay, with a header line and then events, complete on disk before anything is judged.

`events`: every event, with its fields and units (README.md explains them). `thread_states`: what a request thread may be doing.
`stuck` and `failures`: the one rule by which a service counts as stuck, and the facility as out of service, for the replay and the verdict.
`reader`, `writer`: from and to the file.
`header_settings`: the settings of the variant, from the header. `evidence`: what the parts of the facility told of themselves, in files
beside it, and `evidence_values`: what its single values cannot be.
`consistency`: whether a journal can be what a replay wrote, and `witnesses`: whether what one part of it says agrees with the others.
`shortages`: the words for what the machine lacked.

May import errors and plan.
"""
