"""The containment matrix: every scenario over every variant, and how far the crack went in each.

    columns and rows ──> cells ──> matrix ──> table, Markdown, JSON, picture
    (plan.py)            (run.py)  (table.py) (told.py, heat_map.py)

A cell is a pure function of its journal (`cell.py`). A kept matrix is what another is compared with (`gate.py`), and what its
text says of the patterns is asked of the cells each time (`lessons.py`).
"""
