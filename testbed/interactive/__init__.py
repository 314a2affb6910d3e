"""A facility that is kept running, and what is done to it by hand, from other terminals.

`protocol`: commands and their replies, as lines. `control_socket`: where they are sent. `server`: keeps the facility running, and serves
them. `executor`: carries them out. `client`: sends one. `night`: a night without a script.

May import what experiments may, and experiments.
"""
