"""The systems that call the facility: check-in kiosks, the telephone system (IVR), channel partners (O10).

Each caller is a service of its own with its own request threads. Some of its transactions need the facility, some do not.
In the order of the data: `app.py` receives a `passenger.py` and runs a `transaction.py` of `kiosk.py`, `ivr.py` or `partner.py`
(one caller, one file, one word), which calls the remote stub, `remote.py`. `patterns_chain.py` wraps the stub's calls in the
stability patterns that are on, and `round_robin.py` chooses the address. `connections.py` bounds the connections of the calls, and
`seeded_leaks.py` loses them, where a setting says so. `declared.py` and
`declared_call.py`: what a transaction sends to a service that is not this one.

It may import `flight_search.stability`, `http_service`, `about`, `calls`, `declared_requests`, `request_context` and `settings`, and
nothing of the application server.
"""
