from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import pytest
from rich.console import Console, Group

from testbed import scenario_file
from testbed.plan import passengers
from testbed.report import plan as plan_module

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted(path.stem for path in (ROOT / "scenarios").glob("*.toml") if path.stem != "variants")


def drawn(path: Path, width: int = 200) -> str:
    """Draw the plan of a scenario for a terminal of this width."""
    plan = scenario_file.load(path)
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        console.print(plan_module.plan(plan, passengers.of(plan)))
    return " ".join(captured.get().split())


def of(name: str) -> Path:
    """Return the path of a scenario of the project."""
    return ROOT / "scenarios" / f"{name}.toml"


def changed(path: Path, name: str, **texts: str) -> Path:
    """Write a scenario of the project with some texts replaced."""
    text = of(name).read_text(encoding="utf-8")
    for old, new in texts.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_plan_shows_words_and_no_python(name: str) -> None:
    """No tuple, no keyword argument, no None: a class reads it."""
    text = drawn(of(name))
    assert not [word for word in ("('", "{'", ",)", "None", "True", "False", "Fault(") if word in text]
    assert "=" not in text


@pytest.mark.parametrize("width", [60, 80])
def test_a_plan_loses_no_name_on_a_narrow_terminal(width: int) -> None:
    """Of a night of twelve hours neither: every transaction, hour and check is there, divided after an underscore at most."""
    text = drawn(of("longevity"), width)
    words = [word.strip("`:") for word in drawn(of("longevity")).split()]
    pieces = {piece for word in words for piece in re.findall("[^_]*_+|[^_]+", word) if piece.strip("─")}
    assert pieces <= {piece.strip(":") for word in text.split() for piece in re.findall("[^_]*_+|[^_]+", word)}
    assert "…" not in text


def test_no_line_ends_with_a_blank_where_there_is_no_summary() -> None:
    """The title ends the line."""
    plan = dataclasses.replace(scenario_file.load(of("calm")), summary="")
    words = plan_module.plan(plan, passengers.of(plan))
    assert isinstance(words, Group)
    assert str(words.renderables[0]).splitlines()[0] == f"calm: {plan.title}."


def test_every_expectation_of_every_variant_is_shown() -> None:
    """Each in words, with its value."""
    text = drawn(of("the_night"))
    for words in ("outcome: grounded", "crack: 6", "leaked connections: 40", "servers blocked at: checkout", "health green: yes"):
        assert words in text
    assert "errors per server: 40" in text.partition("outcome: grounded")[2]


def test_a_plan_with_a_choice_of_outcomes_and_services_lists_them(tmp_path: Path) -> None:
    """Outcomes are joined by `or`, services by commas."""
    path = changed(tmp_path / "again.toml", "restore", **{'services = "blocked"': 'services = ["cf-1", "cf-2"]'})
    assert "services: cf-1, cf-2" in drawn(path)
    assert "outcome: unharmed or contained" in drawn(of("five_oclock"))


def test_a_plan_says_what_each_service_has() -> None:
    """Request threads, and connections in a pool."""
    assert "; 40 request threads each, and 40 connections in the pool of each application server night:" in drawn(of("the_night"))


def test_a_healing_that_names_no_fault_says_that_it_is_of_every_one(tmp_path: Path) -> None:
    """The word alone would not tell what it heals."""
    assert "heal of: silence" in drawn(of("silence"))
    path = changed(tmp_path / "again.toml", "silence", **{'of = "silence"\n': ""})
    assert "heal of: every active fault" in drawn(path)


def test_real_seconds_are_shown_on_both_clocks() -> None:
    """From a step's time on where it is known; else where the night goes slowest and fastest, up to all of it."""
    assert "idle: 2 real s (23 min 20 s of the night)" in drawn(of("five_oclock"))  # 700 seconds of the night in a real one
    assert "pool recycle: 400 real ms (by pace, 4 min 40 s to 8 min 00 s of the night)" in drawn(of("five_oclock"))  # 700 and 1200
    assert "within 30 real s (by pace, 15 min 00 s of the night up to all of it)" in drawn(of("restore"))


def test_where_a_night_goes_as_fast_as_it_did_one_clock_is_enough() -> None:
    """Real seconds are seconds of the night then."""
    plan = scenario_file.load(of("burst")).with_overrides(speed=1)
    assert {step.word for step in plan.steps} == {"burst"}
    console = Console(width=200, file=io.StringIO())
    with console.capture() as captured:
        console.print(plan_module.plan(plan, passengers.of(plan)))
    assert "within: 60 s" in captured.get()
    assert "of the night)" not in captured.get()
