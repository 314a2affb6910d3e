"""The scan: which links, broken by which fault, stop a transaction: the facility's own table of single points of failure (A2).

`plan`: which faults on which links. `effect`: what one journal says of one broken link. `replays`: replays them. `text`: tables and the
map.

Does not import `matrix`.
"""
