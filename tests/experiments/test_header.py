from __future__ import annotations

import pytest

from testbed.experiments.header import without_passwords


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory://", "memory://"),
        ("amqp://host:5672/vhost", "amqp://host:5672/vhost"),
        ("amqp://user@host/", "amqp://user@host/"),
        ("amqp://user:secret@host:5672/", "amqp://***@host:5672/"),
        ("redis://:p$ss w0rd@host".replace(" ", ""), "redis://***@host"),
        ("amqp://user:p@ss:word@host/a@b", "amqp://***@host/a@b"),
        ("sqla+postgresql://user:secret@[::1]:5432/queue", "sqla+postgresql://***@[::1]:5432/queue"),
    ],
)
def test_no_password_of_a_broker_is_in_a_journal(url: str, shown: str) -> None:
    """At any depth; what is no password stays."""
    settings = {"caller": {"decoupled_broker": url, "retries": 3, "urls": [url, None]}}
    assert without_passwords(settings) == {"caller": {"decoupled_broker": shown, "retries": 3, "urls": [shown, None]}}
