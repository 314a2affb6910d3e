from __future__ import annotations

import typing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.journal import reader
from testbed.journal.events import (
    BreakerSample,
    Counts,
    Event,
    GroupWait,
    LogLines,
    PoolSample,
    Response,
    Sample,
    ServerStatistics,
    ThreadGroup,
)
from testbed.journal.writer import JournalWriter
from tests.journals import header

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
KINDS = get_args(Event)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a field by its type."""
    plain = {int: st.integers(-(2**53), 2**53), float: NUMBER, str: TEXT, bool: st.booleans(), type(None): st.none()}
    if hint in plain:
        return plain[hint]
    origin, arguments = typing.get_origin(hint), get_args(hint)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if hint in (BreakerSample, Counts, GroupWait, LogLines, PoolSample, ServerStatistics, ThreadGroup):
        return made(hint)
    return st.one_of([values(argument) for argument in arguments])


def made(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a record by the types of its fields."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: values(hint) for name, hint in hints.items() if name != "event"})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=15, suppress_health_check=[HealthCheck.differing_executors])
@given(data=st.data())
def test_every_event_is_read_as_it_was_written(kind: type[Event], data: st.DataObject) -> None:
    """Whatever stands in its fields: any text, any number, nothing."""
    event = data.draw(made(kind))
    with TemporaryDirectory() as directory:
        path = Path(directory) / "a.jsonl"
        with JournalWriter(path, header()) as writer:
            writer.append(event)
        assert reader.read(path).events == (event,)


def test_a_pools_free_connections_are_called_in_in_the_journal(tmp_path: Path) -> None:
    """The word is one that Python keeps for itself; in the file it stands as it should."""
    sample = Sample(t_s=0, night_s=0, service="cf-1", health=True, health_s=0, pool=PoolSample(4, 3, 1, 0, 0))
    with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
        writer.append(sample)
    assert '"pool":{"size":4,"in":3,"out":1,"waiting":0,"leaked":0}' in (tmp_path / "a.jsonl").read_text()


def test_a_journal_from_before_the_breakers_counts_can_be_read(tmp_path: Path) -> None:
    """A sample without the field has no breaker's counts, and not zeros."""
    path = tmp_path / "a.jsonl"
    with JournalWriter(path, header()) as writer:
        writer.append(Sample(t_s=0, night_s=0, service="kiosk", health=True, health_s=0, breaker=BreakerSample("open", 1, 5, 2)))
    text = path.read_text()
    (told,) = reader.read(path).of(Sample)
    assert told.breaker == BreakerSample("open", 1, 5, 2)
    path.write_text(text.replace(',"breaker":{"state":"open","opened":1,"let_through":5,"refused":2}', ""))
    (untold,) = reader.read(path).of(Sample)
    assert (untold.breaker, path.read_text() != text) == (None, True)


@pytest.mark.parametrize(("busy", "threads", "full"), [(4, 4, True), (5, 4, True), (3, 4, False), (None, None, False), (0, None, False)])
def test_a_service_is_full_when_no_request_thread_is_free(busy: int | None, threads: int | None, *, full: bool) -> None:
    """What did not answer is not full: nothing is known of it."""
    sample = Sample(t_s=0, night_s=0, service="cf-1", health=True, health_s=0, busy=busy, request_threads=threads)
    assert sample.is_full is full


def test_a_response_tells_nothing_else_than_answered_or_failed() -> None:
    """Unanswered is a request without a response, and no third word."""
    assert get_args(get_type_hints(Response)["ended"]) == ("answered", "failed")
