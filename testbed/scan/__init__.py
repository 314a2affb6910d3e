"""The scan: which links, broken by which fault, stop a transaction. The facility's own table of single points of failure (A2)."""
