"""Words of the command line that nobody would write: one message, in bounds, that no terminal obeys, and exit code 2."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import pytest

from testbed.cli import main, options
from testbed.cli.main import COMMANDS
from testbed.errors import MISTAKE_CHARACTERS, MISTAKES, EngineError, told
from testbed.facility.address import Address
from testbed.runtime.containers import image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Testbed = Callable[..., tuple[int, str, str]]

RED = "\x1b[31m"
HEAD = len("testbed: ")
OBEYED = "\x1b\x07\x9b\u202e\u2066"


@pytest.fixture
def testbed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Testbed:
    """Return the command line as a function."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["testbed", *words])
        with pytest.raises(SystemExit) as end:
            main.main()
        assert isinstance(end.value.code, int)
        return (end.value.code, *capsys.readouterr())

    return run


def numbers() -> Iterator[tuple[str, str, click.Parameter]]:
    """Yield every option of every command that takes a number, with the words of its command."""
    root = click.Context(main.main_group)
    for name in COMMANDS:
        command = main.main_group.get_command(root, name)
        assert command is not None
        inner = [(name, command)]
        if isinstance(command, click.Group):
            inner += [(f"{name} {word}", other) for word, other in command.commands.items()]
        for words, each in inner:
            for parameter in each.params:
                if parameter.type.name.startswith(("int", "float")):
                    yield words, parameter.opts[0], parameter


NUMBERS = list(numbers())


def test_every_number_is_of_a_kind_that_takes_no_odd_text() -> None:
    """There are some, and each has bounds."""
    assert {option for _, option, _ in NUMBERS} >= {"--rate", "--speed", "--seconds", "--seed", "--jobs", "--port", "--servers"}
    assert all(isinstance(parameter.type, options.Whole | options.Number) for _, _, parameter in NUMBERS)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "1" * 5_000, "١٢", "1_0", " 1", RED, "\u202e1"], ids=ascii)
@pytest.mark.parametrize(("words", "option"), [(words, option) for words, option, _ in NUMBERS])
def test_what_is_no_number_is_refused_with_its_option(testbed: Testbed, words: str, option: str, value: str) -> None:
    """By every option that takes one, before anything is asked of a facility."""
    code, out, err = testbed(*words.split(), f"{option}={value}")
    assert (code, out) == (2, "")
    require_bounds(err)
    assert f"Invalid value for '{option}': " in err


def require_bounds(err: str) -> None:
    """Check that a message is in bounds, and has nothing that a terminal would obey."""
    assert not set(err) & set(OBEYED)
    lines = err.splitlines()
    assert len(lines) <= MISTAKES + 5
    assert all(len(line) <= MISTAKE_CHARACTERS + 100 for line in lines)


@pytest.mark.parametrize("odd", [RED, "\u202e", "x" * 6_000, RED * 2_000, "a\n" * 500], ids=lambda odd: ascii(odd[:4]))
@pytest.mark.parametrize(
    "words",
    [
        ["ODD"],
        ["--ODD"],
        ["list", "ODD"],
        ["plan", "--ODD"],
        ["plan", "ODD"],
        ["plan", "ODD.toml"],
        ["replay", "ODD"],
        ["replay", "the_night", "--variant", "ODD"],
        ["replay", "the_night", "--runtime", "ODD"],
        ["replay", "the_night", "--toxiproxy", "ODD"],
        ["judge", "ODD"],
        ["judge", "--runs", "ODD"],
        ["report", "ODD", "--html", "x.html"],
        ["report", "--runs", "ODD", "--junit", "x.xml"],
        ["trace", "ODD", "x.jsonl"],
        ["scan", "ODD"],
        ["scan", "--link", "ODD"],
        ["scan", "--fault", "ODD"],
        ["scan", "--variant", "ODD"],
        ["scan", "--transaction", "ODD"],
        ["matrix", "ODD"],
        ["matrix", "--scenario", "ODD"],
        ["matrix", "--variant", "ODD"],
        ["matrix", "--shard", "ODD"],
        ["matrix", "--against", "ODD"],
        ["matrix", "--minimal", "ODD"],
        ["matrix", "show", "ODD"],
        ["matrix", "show", "the_night", "--kept", "ODD"],
        ["up", "--variant", "ODD"],
        ["up", "--name", "ODD"],
        ["status", "--name", "ODD"],
        ["threads", "cf-1", "--name", "ODD"],
    ],
    ids=" ".join,
)
def test_odd_words_are_shown_in_bounds(testbed: Testbed, words: list[str], odd: str) -> None:
    """Whichever command they are for."""
    code, _, err = testbed(*(word.replace("ODD", odd) for word in words))
    assert code == 2
    require_bounds(err)


@pytest.mark.parametrize("host", [RED, "\u202e", "x" * 5_000, "a\nb"], ids=lambda odd: ascii(odd[:4]))
def test_an_address_that_the_fault_proxy_cannot_have_is_shown_in_bounds(testbed: Testbed, host: str) -> None:
    """It is resolved by the system, which says no."""
    code, out, err = testbed("faultproxy", "--host", host, "--port", "0")
    assert (code, out) == (3, "")
    assert err.startswith("the fault proxy cannot listen at ")
    require_bounds(err)


def test_a_message_is_told_in_bounds() -> None:
    """Its head, its first lines and how many there are more; each keeps its begin, its end and its indent."""
    lines = ["head", *(f"  {number}{'x' * 600}y" for number in range(30))]
    message = told("\n".join(lines)).splitlines()
    assert (len(message), message[0], message[-1]) == (MISTAKES + 2, "head", "  and 10 more lines")
    assert all(len(line) == MISTAKE_CHARACTERS + 2 and line.startswith("  ") and line.endswith("xy") for line in message[1:-1])


@pytest.mark.parametrize("text", ["a:٨٠", "a:65536", "a:" + "1" * 5_000, "a", ":1", "a:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """A port is a number of the digits 0 to 9 that a port can have."""
    with pytest.raises(ValueError, match="is not an address"):
        Address.parse(text)


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "\x1b[31m", "x" * 5_000 + "\n"], ids=lambda name: ascii(name[:4]))
@pytest.mark.parametrize("words", ["list", "replay the_night", "up"])
def test_a_temporary_directory_that_postgresql_cannot_use_is_refused(
    testbed: Testbed, words: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, in a line: its settings are lines of a file, in which this would be two."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / name))
    code, out, err = testbed(*words.split())
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("testbed: TMPDIR: found '")
    require_bounds(err)


def test_no_terminal_obeys_the_build_of_an_image(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines are the engine's."""

    def build(tell: Callable[[str], None]) -> image.Image:
        tell(f"Step 1/2 : {RED}")
        raise EngineError("it ends here")

    monkeypatch.setattr(image, "build", build)
    code, out, _ = testbed("image", "build")
    assert (code, out.endswith(r"s  Step 1/2 : \u001b[31m" + "\n")) == (3, True)
