"""The sections of the page, one file each, function `section(nights)`: a fragment of HTML, or None where there is nothing to tell.

`summary`: what became of the airline. `timeline`: the night, moment by moment. `charts`: what was measured. `waits`: who waited for whom.
`questions`: the five questions of a post-mortem. `warned`: what could have warned. `stacks`: where threads stood. `compared`: the variants
side by side, and what it cost. `findings`: every check. `origin`: what was replayed on what.
"""
