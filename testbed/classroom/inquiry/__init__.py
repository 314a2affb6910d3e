"""The inquiry: what a class answers, beside what evidence says, and what it is worth.

`questions`: what is asked, and how answers are compared. `examination`: the journal of a night that is over, examined once. `findings`:
what that tells of each question, `monitoring` of why it was green, `place` of where a cause is. `restoration`: when service was back.
`preserved`: which evidence was kept. `prevention`: replays the night over what was chosen. `score`: the points. `tally`:
all of that together.
"""
