"""Where the database is reached and who logs in, whole or in pieces."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The virtual IP, the database behind it, and the role that logs in. All of it stays the same over a switchover."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)

    @property
    def dsn(self) -> str:
        """The connection string, as libpq, psycopg and asyncpg take it."""
        return self.url()

    def url(self, driver: str = "") -> str:
        """Return the same as a URL of SQLAlchemy, for a driver such as `psycopg`, `asyncpg` or `psycopg2`."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"
