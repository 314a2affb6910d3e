"""The bundled fault proxy: a TCP proxy that can be made to misbehave, with the HTTP API of Toxiproxy 2.12.

    stream.py    chunks of bytes on their way from stage to stage
    link.py      one direction of one connection, and the toxics on it
    proxy.py     a listener, its connections, its upstream
    toxics/      one toxic, one file, one word
    api.py       the HTTP API and its error answers
    server.py    the process

Behaviour follows Toxiproxy's documentation (github.com/Shopify/toxiproxy, README and API); the code is our own.
"""
