"""Where a service listens."""

from __future__ import annotations

from dataclasses import dataclass

LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as a base URL for HTTP."""
        return f"http://{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse `host:port`; raises ValueError for any other text."""
        host, _, port = text.rpartition(":")
        if not host or not (port.isascii() and port.isdecimal() and int(port[:6]) <= LAST_PORT):
            raise ValueError(f"{text!r} is not an address; allowed: HOST:PORT, such as 127.0.0.1:8474")
        return cls(host.strip("[]"), int(port))
