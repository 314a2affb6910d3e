"""Fakes: a facility in one event loop, and a loop in which waiting takes no time. A night replays on them in milliseconds.

    from testbed.fakes.facility import FakeBuilder
    from testbed.fakes.virtual_time import run

    run(replay(night, FakeBuilder(plan, settings), writer, directory, Silent()))

The replay, the journal and the verdict are the real ones, and so is the scenario's file; what is fake is what they act
on. Use them to test a fault, an operation or a check of your own, or to try out a timeline before real parts take the
real seconds for it. They judge nothing: that a night comes out the same on the fake says that the model is as we think,
and only the real replay says that we think right.

- `virtual_time.py`: the event loop.
- `service.py`: a service with request threads; `server.py`: an application server with its pool and its lookup;
  `caller.py`: a calling system and its remote calls.
- `facility.py`: the runtime, the database pair, the virtual IP, monitoring, thread dumps and the load generator over
  these, and the builder that puts them together. It says what is not modelled.
"""
