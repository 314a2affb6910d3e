"""Stability patterns, each of them a setting that is off unless a variant turns it on. One pattern, one file, one word.

Where the ecosystem has the pattern, it is the ecosystem's: SQLAlchemy's pool has the checkout time-out, pre-ping, recycling
and its order (datasource.py), `requests` has call time-outs (callers/remote.py). What is here is the rest.
"""
