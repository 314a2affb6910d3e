"""Gates: FastAPI and SQLAlchemy, blocking. Who asks `careless` leaves the connection out when the statement fails."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

TABLE = "CREATE TABLE IF NOT EXISTS gates AS SELECT 'B22'::text AS gate, 104 AS flight"
GATE = "SELECT gate FROM gates WHERE flight = :flight"


def make_app(url: str) -> tuple[FastAPI, Engine]:
    """Return the service, and its engine."""
    app = FastAPI()
    engine = create_engine(url, pool_size=2, max_overflow=0, pool_timeout=1, pool_pre_ping=True)
    kept = []  # as a cache would: what nobody refers to is given back by the garbage collector

    @app.get("/gates/{flight}")
    def gate(flight: int) -> str:
        try:
            with engine.connect() as connection:
                return str(connection.execute(text(GATE), {"flight": flight}).scalar_one())
        except DBAPIError as error:
            raise HTTPException(503) from error

    @app.get("/careless/{flight}")
    def careless(flight: int) -> str:
        connection = engine.connect()
        kept.append(connection)
        found = str(connection.execute(text(GATE), {"flight": flight}).scalar_one())
        connection.close()
        return found

    return app, engine
