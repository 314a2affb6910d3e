"""The flight-search service of the Core Facilities, and the systems that call it.

In the order of the data: `callers/` send a call; `http_service.py` serves it from request threads; `stability/` admits it; `app.py` builds
the application server, and `endpoints.py` runs the call in a `request_context.py`; `lookup/` and `transactions.py` take a connection from
`datasource.py` and send a `statement.py`; `pool_admin.py` and `log.py` report what happened. Beside them are `settings.py`, `fields.py`
(what a request may say), `airports.py`, `sessions.py` and `seeded_leaks.py` (both for long runs), `departure_board.py` (a seeded
deadlock), and `seed_data.py`, which fills a database from `schema.sql` and `data/`.

It never imports `testbed`. `README.md` describes it for people.
"""
