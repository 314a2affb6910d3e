"""What it means: a verdict, an outcome and figures, as pure functions of a journal.

`changes`, `stuck_spans`, `unseen_spans`, `evidence`, `lateness`, `busyness`, `latency`, `recovery`, `thread_dumps`, `resource_series`,
`trend`, `outages`: what is read from a journal. `who_waits`: who waits for whom over all processes, and for what in the end, one of
the `causes/`.
`figures`: all figures, computed once. `outcome`: outcome, its reason, and crack. `finding`, `checks/`: what a scenario expects, one file
a check. `judge`: makes the judgement. `share`: of several replays. `result`: a judged replay. `student`: Student's t, for `trend`.
`rate`: how sure a count is.

May import errors, registry, plan and journal: nothing that acts, not even by type.
"""
