"""A database pair behind a virtual IP, for tests of somebody else's code: two hosts, one array, and every fault that a link can carry.

    with open_pair() as pair:
        connect(pair.dsn)
        pair.switchover()
        with pair.silence(): ...

`pair`: both faces, for blocking code and for asyncio. `faults`: what they can do, with types. `contexts`: a fault as a block. `words`: from
a word to a fault. `endpoint`: the address, and who logs in. `control`, `loop_thread`: the event loop on which all of it happens. `running`:
starts the parts, and acts on them. `kept_events`: their journal. It knows no pytest.

May import errors, concurrency, plan, journal, facility, runtime, replay and faults.
"""
