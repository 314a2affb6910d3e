"""Fakes: a facility in one event loop, and a loop in which waiting takes no time. A night replays on them in milliseconds.

    virtual_time.run(replay(night, FakeBuilder(plan, settings), writer, directory, SilentDisplay()))

Replay, journal and verdict are the real ones. `virtual_time`: the event loop. `service`: a service with request threads; `server`,
`caller`: an application server and a calling system. `runtime`, `database`, `link`, `cluster`, `probe`, `monitoring`, `load`,
`questions`: the facility's parts over these. `builder`: puts them together, and says what is not modelled. `backend`: makes builders.
Use them to test a fault, an operation or a check of your own; that a real night comes out the same only a real replay can show.

May import errors, plan, journal and facility; nothing of the testbed imports them.
"""
