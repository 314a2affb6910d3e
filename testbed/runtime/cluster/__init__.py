"""The cluster manager of the database pair: `beat` sends heartbeats, `manager` subscribes to them and finds a host lost.

Heartbeats are bytes over a TCP connection through the fault proxy, so that a fault of a link delays or stops them as it does anything
else. The two hosts of the processes runtime are names, and so both ends live in the testbed's own process: where that process gets no
processor, the sender is as late as the watcher, and one late look counts as one missed heartbeat, however late it is.
"""
