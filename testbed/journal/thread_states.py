"""What a request thread does, in the words of the journal's `threads` events: dumps write them, and checks compare them."""

from __future__ import annotations

CHECKOUT = "waiting for a connection from the pool"
HTTP_CONNECTION = "waiting for an HTTP connection of its own"
SOCKET = "blocked reading a socket"
DATABASE = "waiting for the database"
LOCK = "waiting for a lock"
IDLE = "idle"
RUNNING = "running"
