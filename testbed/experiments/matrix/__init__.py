"""The containment matrix: every scenario over every variant, with the outcome and crack of each.

`plan`: columns and rows. `cell`: what one judgement says of one variant in one scenario. `replays`: replays cells, several at a time.
`checkpoint`: from where an interrupted matrix goes on. `commit`: that of the code. `table`: cells by column and row. `folder`: the kept
matrix, one file a scenario. `consistency`: what a kept cell contradicts. `lessons`: sentences that are checked against the cells.
`gate`: a matrix compared with the kept one, by its `measures` and their `significance`. `minimal`: the smallest sets of patterns that
reach an outcome. `text`, `picture`: what people see.

Does not import `scan`.
"""
