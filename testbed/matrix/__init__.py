"""The containment matrix: every scenario over every variant, and how far the crack went in each.

    columns and rows ──> cells ──> matrix ──> tables, page, picture, folder
    (plan.py)            (run.py)  (table.py) (told.py, heat_map.py, folder.py)

A cell is a pure function of its journal (`cell.py`). The matrix that is kept as a folder is the baseline that another is compared with
(`gate.py`), and what the page says about patterns is checked against the cells each time (`lessons.py`). `progress.py` is the checkpoint
from which an interrupted matrix goes on, and `minimal.py` searches for the smallest sets of patterns that reach an outcome.
"""
