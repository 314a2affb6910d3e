"""The bundled fault proxy: a TCP proxy that can be made to misbehave, with the HTTP API of Toxiproxy 2.12.

It follows Toxiproxy's documentation (github.com/Shopify/toxiproxy); the code is our own. Where it differs is told in proxy.py.
In the order of the data, from the socket up: `busy_poll`, `activity`, `fast_path` (bytes that meet no toxic), `stream` (chunks),
`sink` (the socket that they leave by), `stage` (a toxic at work), `toxics/` (one toxic, one file, one word), `toxic_link` (one direction),
`connection` (both), `address`, `memory` (goes back after many connections), `proxy`, `metrics`, `api_error`, `request_body`,
`proxy_fields`, `toxic_fields` (what it says), `api`, `token` (whom it answers), `server` (the process), `__main__`.
May import errors, registry and plan.
"""
