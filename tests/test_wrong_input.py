"""What somebody else wrote, and is wrong: one message with file and key, in bounds, that no terminal obeys."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.control import Control
from rich.table import Table
from rich.text import Text

from testbed import scenario_file
from testbed.errors import MISTAKE_CHARACTERS, MISTAKES, ScenarioError, UsageError, shortened, visible
from testbed.experiments.planned import planned
from testbed.plan import passengers
from testbed.report.terminal import plain_console

if TYPE_CHECKING:
    from pathlib import Path

NIGHT = scenario_file.find("the_night").read_text(encoding="utf-8")
RED = "\x1b[31mred\x07"


def refused(path: Path, text: str) -> str:
    """Return the message for a scenario, which names its file."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        passengers.of(scenario_file.load(path))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.partition("\n  ")[2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title =", "title." + ".".join(["x"] * 3000) + " =", "title" + ".x" * 20 + ": nested deeper than 20 levels; allowed: less"),
        (
            "pool_size = 40",
            f"pool_size = {'[' * 25}{']' * 25}",
            f"facility.pool_size{'.0' * 19}: nested deeper than 20 levels; allowed: less",
        ),
        (
            "date = 2013-10-07",
            "date = 9999-12-31",
            "night.date: no flights on 9999-12-31; allowed: the schedule has 2013-10-07 to 2013-10-13",
        ),
        (
            "seed = 2013",
            f'seed = 2013\ntrace = "{"a" * 300}"',
            f'workload.trace: "{"a" * 59}… is no file beside the scenario; make one with ',
        ),
        ("seed = 2013", r"seed = 2013" + "\n" + r'trace = "a\u0000b"', r'workload.trace: "a\u0000b" is no file beside the scenario'),
        (
            "[facility]",
            '[facility]\nlinks = ["kiosc"]',
            'facility.links.0: found "kiosc", did you mean kiosk?; allowed: database, cf-1, cf-2, kiosk, ivr, partner',
        ),
    ],
)
def test_a_wrong_scenario_is_one_message_with_its_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    """However it is wrong."""
    assert old in NIGHT
    assert refused(tmp_path / "a.toml", NIGHT.replace(old, new, 1)).startswith(message)


def test_the_file_of_the_variants_is_no_scenario() -> None:
    """And the message says so."""
    with pytest.raises(ScenarioError, match="this is the file of the variants, and no scenario"):
        scenario_file.load(scenario_file.find("the_night").parent / "variants.toml")


def test_a_mistake_is_shortened_and_twenty_are_told(tmp_path: Path) -> None:
    """Whatever somebody else wrote; the rest is counted."""
    long = refused(tmp_path / "a.toml", f"{'k' * 20_000} = 1\n{NIGHT}")
    assert len(long) == MISTAKE_CHARACTERS
    assert long.startswith("kkk")
    assert long.endswith("timeline, variants")
    many = refused(tmp_path / "b.toml", "".join(f"key_{number} = 1\n" for number in range(25)) + NIGHT).split("\n  ")
    assert many[:1] + many[MISTAKES - 1 :] == [
        "key_0: unknown key; allowed: title, summary, facts, needs, matrix, facility, service, night, workload, timeline, variants",
        "key_19: unknown key; allowed: title, summary, facts, needs, matrix, facility, service, night, workload, timeline, variants",
        "and 5 more",
    ]


def test_a_variant_that_is_not_there_gets_the_nearest_name() -> None:
    """Of the scenario's own, and of those of variants.toml."""
    with pytest.raises(UsageError, match="has no variant 'fixt', did you mean fixed"):
        planned("the_night", ["fixt"])
    with pytest.raises(UsageError, match="has no variant 'bulkheads', did you mean bulkhead"):
        planned("the_night", ["bulkheads"])


def test_no_terminal_obeys_a_scenario(tmp_path: Path) -> None:
    """Its title is shown, and so is a wrong key."""
    path = tmp_path / "a.toml"
    path.write_text(NIGHT.replace('title = "The night', r'title = "\u001b[31mred\u0007 \u202e night', 1), encoding="utf-8")
    assert scenario_file.load(path).title.startswith(r"\u001b[31mred\u0007 \u202e night")
    assert refused(path, r'"\u001b[31mred\u0007" = 1' + "\n" + NIGHT).startswith(r"\u001b[31mred\u0007: unknown key")


def test_no_terminal_obeys_a_journal() -> None:
    """Whatever stands in it is shown as it is printed; it is read as it was written."""
    out = io.StringIO()
    console = plain_console(file=out, force_terminal=True, width=200)
    console.print(f"{RED} \x9b2J \u202e größe")
    console.print(Table("title", f"{RED}"), Text(f"a{RED}\n", style="red"))
    assert not {character for character in plain(out.getvalue()) if character in "\x1b\x07\x9b\u202e"}
    assert plain(out.getvalue()).startswith(r"\u001b[31mred \u009b2J \u202e größe" + "\n")


def test_what_is_drawn_on_a_terminal_is_still_drawn() -> None:
    """Colours and the movements of the cursor are rich's own."""
    out = io.StringIO()
    console = plain_console(file=out, force_terminal=True, color_system="standard")
    console.print(Text("red", style="red"))
    console.control(Control.home())
    assert out.getvalue() == "\x1b[31mred\x1b[0m\n\x1b[H"


def plain(text: str) -> str:
    """Return what was printed without rich's own colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize(("text", "characters", "expected"), [("abc", 3, "abc"), ("abcdef", 5, "ab…ef"), ("abcdef", 4, "ab…f")])
def test_a_text_is_shortened_in_its_middle(text: str, characters: int, expected: str) -> None:
    """The key is at its begin, and what is allowed at its end."""
    assert shortened(text, characters) == expected


def test_only_what_a_terminal_obeys_is_replaced() -> None:
    """Letters of any language, and the newline, stay."""
    assert visible("größe 日本 \n\t\x1b\u2066") == "größe 日本 \n" + r"\u0009\u001b\u2066"
