"""The sections of the page, functions of its nights: a fragment of HTML, or None where there is nothing to tell.

`summary`: what became of the airline; `others`: the same of replays past those that are told in full. `timeline`: the night, moment by
moment. `charts`: what was measured. `waits`: who waited for whom. `after_the_stop`: the five questions of a post-mortem, and what could
have warned. `stacks`: where threads stood. `compared`: the variants side by side, and what it cost. `findings`: every check. `origin`: what
was replayed on what.
"""
