"""What people and programs read: texts from judgements and plans, and from nothing else.

`side_by_side`: the variants of a night beside each other. `json_lines`: one object a replay, for programs. `repetition`: how often a
variant came out as expected. `plan`: what is going to be done. `terminal`: a console that prints words as they are.

May import errors, plan and verdict.
"""
