"""How the database hosts watch each other.

`beat` sends heartbeats, and `subscriber` counts them. `manager` finds a host lost on processes; `orders` is what a host in a container is
told, and tells.

Heartbeats are bytes over a TCP connection. The two hosts of the processes runtime are names, and so both ends live in the testbed's own
process: where that process gets no processor, the sender is as late as the watcher, and one late look counts as one missed heartbeat,
however late it is. There they go through the fault proxy, so that a fault of a link delays or stops them as it does anything else.
"""
