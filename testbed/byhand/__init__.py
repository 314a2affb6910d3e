"""A facility that is played by hand: one command holds it up, and others, from other terminals, order what is done to it.

- `orders.py`: what can be ordered, and what is answered: JSON Lines, both ways.
- `door.py`: the Unix socket at which the one finds the others; one for each user.
- `hands.py`: carries out orders on a facility, by the faults and operations that timelines have.
- `held.py`: `testbed up`: builds, listens, and takes down.
- `asking.py`: the side of the other commands.
"""
