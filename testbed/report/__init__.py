"""What people and programs read: texts from judgements, journals, plans and what was seen of processes, and from nothing else.

`side_by_side`: the variants of a night beside each other, as far as a terminal is wide (`rows`). `nights`: which of several judgements
stand beside each other. `rises`: what rises for good over a long run. `since_fault`: how long after the first fault all hung. `json_lines`:
one object a replay, for programs. `repetition`: how often a variant came out as expected. `waits`: who waited for whom. `five_questions`:
those of a post-mortem. `warnings`: what could have warned. `stacks`: what thread dumps tell. `plan`: scenarios and their plans.
`process_threads`: what the threads of any process wait for. `fitted`: tables that lose nothing on a narrow terminal. `settings`: settings
in words. `counted`: how many of a thing. `terminal`: a console without mark-up. `html/`: the page. `markdown`: the short form for a pull
request. `junit`: for CI servers.

May import errors, plan, journal, observe, verdict and postmortem.
"""
