"""What it means: a verdict, an outcome and figures, as pure functions of a journal.

`changes`, `stuck_spans`, `evidence`, `lateness`, `busyness`, `latency`, `recovery`, `thread_dumps`, `resource_series`, `trend`: what
is read from a journal. `who_waits`: who waits for whom over all processes, and for what in the end, a `cause`. `loss`: the line at
which a connection was lost. `lock_causes`: behind locks and full queues. `own_connections`: a caller that has none left. `callers_load`:
a caller that repeats too much. `slowness`: what is at work and slow. `wrong_address`: servers that do not use the virtual IP.
`wrong_package`: a version that only those have that lost connections. `figures`: all figures, computed once. `outcome`: outcome, its
reason, and crack. `finding`, `checks/`: what a scenario expects, one file a check. `judge`: makes the judgement. `share`: of several
replays. `result`: a judged replay. `student`: Student's t, for `trend`. `rate`: how sure a count is.

May import errors, registry, plan and journal: nothing that acts, not even by type.
"""
