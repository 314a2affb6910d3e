"""Stability patterns. Each is a setting that is off unless a variant turns it on; one pattern, one file, one word.

On an application server: `admission.py` decides in the event loop whether a call gets a request thread (`shed_load.py`,
`fail_fast.py`); `link_limits.py` (all in one: `socket_timeout.py`), `statement_deadline.py`, and `statement_timeout.py` and
`idle_in_transaction.py`, which are PostgreSQL's own (`session_options.py`), limit its database connection; `before_checkout.py` replaces
one that rested too long or does not answer a `bounded_ping.py`, `leak_reclaim.py` takes it back; `deadline_propagation.py` limits all its
work to what `deadline.py` says is left; `stuck.py` detects a stuck server, which `handshaking.py` reports and `let_it_crash.py` replaces;
`health_check.py` says what the health check asks, and `liveness_probe.py` replaces a server by it. `patterns.py` starts those that are on.
On a caller: `call.py` is a call and its answer, which `cached_answers.py`, `bulkhead.py`, `call_deadline.py`, `retry.py` (with a
`retry_budget.py`) and `circuit_breaker.py` wrap (their order: `callers/patterns_chain.py`); `decoupled.py` runs transactions without a
request thread.

Where a library has the pattern, the library's is used: SQLAlchemy's pool has the checkout time-out, pre-ping, recycling and its
order (`datasource.py`), `requests` has call time-outs (`callers/remote.py`). Nothing here imports `callers`.
"""
