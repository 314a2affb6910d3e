"""The bundled fault proxy: a TCP proxy that can be made to misbehave, with the HTTP API of Toxiproxy 2.12.

    fast_path.py  the fast path: bytes that meet no toxic go from socket to socket
    stream.py    chunks of bytes on their way from stage to stage
    toxic_link.py      one direction of one connection, and the toxics on it
    proxy.py     a listener, its connections, its upstream
    toxics/      one toxic, one file, one word
    api.py       the HTTP API and its error answers
    server.py    the process

Behaviour follows Toxiproxy's documentation (github.com/Shopify/toxiproxy, README and API); the code is our own. Where that is silent,
and Toxiproxy itself would stand in a test's way, this differs:

    half-close   an end passes as an end; Toxiproxy closes the whole connection to the other side, and the answer is lost
    reset_peer   resets also connections that are older than the toxic, and never those that its toxicity spares
    timeout      its removal closes the connections that it worked on; Toxiproxy's closes those that it spared, too
    toxicity     is decided when a toxic is put on a connection or changed, not when its neighbours come and go
    removal      never waits for a receiver that has stopped, and drops nothing then; Toxiproxy waits up to 5 s, and drops
    listen       is, when not given, a free port of the loopback address, and not of every address
    upstream     one that does not answer keeps its own client waiting, and not those who come after
    slicer       cuts around the average size, and nothing when there is none; Toxiproxy halves, and fails
"""
