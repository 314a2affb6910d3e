from __future__ import annotations

import pytest

from tests.lint.found import codes

HANDLED = """
async def connect(host):
    connection = await open_connection(host)
    try:
        await connection.handshake()
    except {type}:
        {line}
        raise
    {rest}
    return connection
"""


@pytest.mark.parametrize(
    ("line", "rest"), [("connection.close()", ""), ("await pool.release(connection)", ""), ("connection.close()", "host()")]
)
def test_what_only_an_exception_closes_is_found(line: str, rest: str) -> None:
    """A cancellation leaves it open."""
    assert codes(HANDLED.format(type="Exception", line=line, rest=rest)) == ["CW005"]


@pytest.mark.parametrize("caught", ["BaseException", "asyncio.CancelledError", "(Exception, asyncio.CancelledError)", "ValueError"])
def test_a_handler_that_a_cancellation_does_not_pass_is_fine(caught: str) -> None:
    """And one that was not meant for everything."""
    assert codes(HANDLED.format(type=caught, line="connection.close()", rest="")) == []


def test_what_is_not_this_function_s_to_close_is_fine() -> None:
    """A parameter, a member, what a finally closes, and what is only logged."""
    assert codes(HANDLED.replace("connection.close", "host.close").format(type="Exception", line="host.close()", rest="")) == []
    assert codes(HANDLED.format(type="Exception", line="self.connection.close()", rest="")) == []
    assert codes(HANDLED.format(type="Exception", line="log(connection)", rest="")) == []
    text = HANDLED.format(type="Exception", line="connection.close()", rest="").replace(
        "        raise\n", "    finally:\n        connection.close()\n"
    )
    assert codes(text) == []


def test_a_function_that_is_not_async_is_not_cancelled() -> None:
    """`except Exception` is wide enough there."""
    text = HANDLED.format(type="Exception", line="connection.close()", rest="").replace("async ", "").replace("await ", "")
    assert codes(text) == []
