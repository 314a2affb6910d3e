from __future__ import annotations

import ast

import pytest

from tests.lint.found import codes, findings, in_finally

FOUND = {
    "the case": ["cursor.close()", "connection.close()"],
    "any two": ["a.close()", "b.close()"],
    "a transaction of the same connection": ["connection.rollback()", "connection.close()"],
    "back to the pool": ["connection.rollback()", "pool.putconn(connection)"],
    "a connection that the pool must hear of": ["connection.close()", "pool.release(connection)"],
    "a condition": ["if cursor is not None:", "    cursor.close()", "connection.close()"],
    "a loop before it": ["for cursor in b:", "    cursor.close()", "connection.close()"],
    "a handler that raises again": ["try:", "    cursor.close()", "except OSError:", "    raise", "connection.close()"],
    "a with that guards nothing": ["with a:", "    cursor.close()", "connection.close()"],
    "a lock that others wait for": ["connection.close()", "lock.release()"],
    "a socket whose peer has left": ["sock.shutdown(2)", "sock.close()"],
    "a match": ["match a:", "    case 1:", "        cursor.close()", "connection.close()"],
}
FINE = {
    "one": ["connection.close()"],
    "nested": ["try:", "    cursor.close()", "finally:", "    connection.close()"],
    "suppressed": ["with suppress(Exception):", "    cursor.close()", "connection.close()"],
    "suppressed by its module's name": ["with contextlib.suppress(OSError):", "    cursor.close()", "connection.close()"],
    "caught": ["try:", "    cursor.close()", "except Exception:", "    pass", "connection.close()"],
    "a handler that closes the other": [
        "try:",
        "    cursor.close()",
        "except OSError:",
        "    connection.close()",
        "    raise",
        "connection.close()",
    ],
    "one or the other": ["if a:", "    cursor.close()", "else:", "    connection.close()"],
    "one and nothing after it": ["if a:", "    cursor.close()", "    return", "connection.close()"],
    "the same twice": ["cursor.close()", "cursor.close()"],
    "what cannot raise first": ["lock.release()", "connection.close()"],
    "a file, which nobody waits for": ["cursor.close()", "logfile.close()"],
    "a list of them": ["for cursor in a:", "    cursor.close()"],
    "what is a function of the object": ["self.close(a)", "connection.close()"],
    "a signal that is heard no more": ["signal.disconnect(a)", "signal.disconnect(dispatch_uid=b)", "connection.close()"],
    "what the base class closes": ["cursor.close()", "Base.close(self)"],
    "an inner function": ["def later():", "    cursor.close()", "connection.close()"],
    "no clean-up": ["print(a)", "connection.close()"],
}


@pytest.mark.parametrize("lines", FOUND.values(), ids=FOUND)
def test_a_clean_up_that_may_raise_before_another_is_found(lines: list[str]) -> None:
    """In a finally, once a block."""
    assert codes(in_finally(*lines)) == ["CW001"]


@pytest.mark.parametrize("lines", FINE.values(), ids=FINE)
def test_what_is_guarded_or_cannot_raise_is_not_found(lines: list[str]) -> None:
    """Nor what nobody waits for."""
    assert codes(in_finally(*lines)) == []


def test_what_was_made_of_something_silent_is_silent() -> None:
    """A name says less than what the thing was made with."""
    assert codes("def f(b):\n    a = open('x')\n    try:\n        pass\n    finally:\n        a.close()\n        b.close()\n") == []
    assert (
        codes("def f():\n    a, b = yield make_pair()\n    try:\n        pass\n    finally:\n        a.close()\n        b.close()\n") == []
    )
    assert codes("def f(b):\n    a = Lock()\n    try:\n        pass\n    finally:\n        a.unlock()\n        b.close()\n") == []


def test_a_finding_names_what_is_skipped_and_its_line() -> None:
    """And of more than three, how many."""
    (finding,) = findings(in_finally("a.close()", "b.close()"))
    assert finding.sentence == "`a.close()` may raise, and then `b.close()` (line 6) is skipped"
    (finding,) = findings(in_finally("a.close()", *(f"x{letter}.close()" for letter in "pqrst")))
    assert finding.sentence.endswith("`xr.close()` (line 8) and 2 more are skipped")


def test_a_finally_in_a_finally_is_told_once() -> None:
    """It is a block of its own, and a part of the other."""
    assert codes(in_finally("try:", "    pass", "finally:", "    a.close()", "    b.close()")) == ["CW001"]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["await a.close()", "await b.close()"], ["CW001"]),
        (["await lock.release()", "await b.close()"], ["CW001"]),
        (["try:", "    await a.close()", "except Exception:", "    pass", "await b.close()"], ["CW003"]),
        (["with suppress(Exception):", "    await a.close()", "b.close()"], ["CW003"]),
        (["with suppress(Exception):", "    await to_thread.run_sync(cursor.close)", "b.close()"], ["CW003"]),
        (["await asyncio.shield(a.close())", "b.close()"], ["CW001"]),
        (["await tell(a)", "b.close()"], ["CW004"]),
        (["a.cancel()", "await asyncio.sleep(0)", "await b.close()"], ["CW004"]),
        (["try:", "    await a.close()", "finally:", "    await b.close()"], []),
        (["try:", "    await a.close()", "except BaseException:", "    pass", "await b.close()"], []),
        (["try:", "    await a.close()", "except (Exception, CancelledError):", "    pass", "await b.close()"], []),
        (["try:", "    await a.close()", "except:", "    pass", "await b.close()"], []),
        (["with suppress(BaseException):", "    await a.close()", "b.close()"], []),
        (["with CancelScope(shield=True):", "    await tell(a)", "    await b.close()"], []),
        (
            [
                "with CancelScope(shield=True):",
                "    try:",
                "        await a.close()",
                "    except Exception:",
                "        pass",
                "    b.close()",
            ],
            [],
        ),
        (["await asyncio.gather(a.close(), b.close())"], []),
        (["await b.close()"], []),
    ],
)
def test_a_cancellation_skips_what_no_guard_of_exceptions_keeps(lines: list[str], code: list[str]) -> None:
    """In an async function each await may be where the task ends, unless it is shielded."""
    assert codes(in_finally(*lines, is_async=True)) == code


@pytest.mark.parametrize(
    ("method", "lines", "code"),
    [
        ("__exit__", ["self.a.close()", "self.b.close()"], ["CW002"]),
        ("close", ["self.cursor.close()", "self.connection.close()"], ["CW002"]),
        ("tearDown", ["self.session.rollback()", "self.session.close()"], ["CW002"]),
        ("close", ["self.a.close()", "self.b.close()"], []),
        ("close", ["try:", "    self.cursor.close()", "finally:", "    self.connection.close()"], []),
        ("__exit__", ["self.stop()", "self.b.close()"], []),
        ("search", ["self.cursor.close()", "self.connection.close()"], []),
    ],
)
def test_a_method_that_only_cleans_up_is_a_clean_up(method: str, lines: list[str], code: list[str]) -> None:
    """Of those that close a lot, only what talks to somebody may raise."""
    body = "".join(f"        {line}\n" for line in lines)
    assert codes(f"class Search:\n    def {method}(self):\n{body}") == code


def test_a_function_of_that_name_is_no_method() -> None:
    """Only a class has members."""
    assert codes("def close(cursor, connection):\n    cursor.close()\n    connection.close()\n") == []


@pytest.mark.parametrize("lines", [*FOUND.values(), ["a.close()", *(f"x{letter}.close()" for letter in "pqrst")]])
def test_what_to_write_instead_is_python_and_holds(lines: list[str]) -> None:
    """Put in the place of what was found, it is found no more."""
    for finding in findings(in_finally(*lines)):
        ast.parse("\n".join(finding.instead))
        assert codes(in_finally(*finding.instead)) == []
