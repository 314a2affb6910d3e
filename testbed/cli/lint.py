"""`testbed lint`: the mistake of the case in Python source, found without running it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.cli import options, output
from testbed.errors import UsageError, bounded, visible
from testbed.lint.finding import RULES, Finding, Unread
from testbed.lint.folders import files_in
from testbed.lint.linter import look
from testbed.plan import given_file

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD_INPUT = "-"
FOUND, WRONG = 1, UsageError.exit_code
RULES_TEXT = "\n".join(["\b", "Rules:", *(f"  {rule.code}  {rule.name}" for rule in RULES)])


@dataclass(slots=True)
class Counts:
    """What a run has come to so far."""

    files: int = 0
    findings: int = 0
    unread: list[str] = field(default_factory=list)  # each with its reason

    @property
    def exit_code(self) -> int:
        """2 if a file was not read, as nobody knows what is in it; 1 if there is a finding; 0 else."""
        return WRONG if self.unread else FOUND if self.findings else 0

    @property
    def text(self) -> str:
        """The line at the end."""
        return f"{_of(self.findings, 'finding')} in {_of(self.files, 'file')}" + (f", {len(self.unread)} not read" if self.unread else "")


@click.command(name="lint", epilog="\n\n".join([RULES_TEXT, options.examples("testbed lint .", "testbed lint --json - src/app.py")]))
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True), metavar="PATH...")
@click.option("--json", "json_target", metavar="FILE", help="Write a JSON line for each finding to a file, or to standard output (-).")
def lint(paths: tuple[Path, ...], json_target: str | None) -> None:
    """Find clean-ups that an exception skips, in Python source.

    PATH is a file, a directory (the files of Python in it), or - for standard input. Nothing is run or imported. A finding has its place,
    a code, a sentence, and what to write instead; a comment `# noqa: CW001` in its line silences it. The exit code is 1 with findings,
    and 2 if a file cannot be read or parsed.
    """
    counts = Counts()
    with output.JsonLines(json_target) as write_json:
        for path, content in _contents(paths, counts):
            counts.files += 1
            result = look(content)
            if isinstance(result, Unread):
                _count_unread(counts, f"{path}:{result.line}" if result.line else str(path), result.reason)
                continue
            for finding in result:
                counts.findings += 1
                write_json(json.dumps(_as_json(path, finding), ensure_ascii=False))
                if json_target != "-":
                    click.echo(_as_text(path, finding))
    click.echo(counts.text, err=True)
    sys.exit(counts.exit_code)


def _contents(paths: tuple[Path, ...], counts: Counts) -> Iterator[tuple[str, bytes]]:
    """Yield each file once, with what is in it; what cannot be read is counted and told."""
    seen: set[tuple[int, int]] = set()
    for given in paths:
        if str(given) == STANDARD_INPUT:
            content = sys.stdin.buffer.read(given_file.MOST_TEXT_BYTES + 1)
            if len(content) > given_file.MOST_TEXT_BYTES:
                _count_unread(counts, "<stdin>", f"it has more than {given_file.MOST_TEXT_BYTES:,} bytes")
            else:
                yield "<stdin>", content
            continue
        for path in _files(given, counts):
            try:
                status = path.stat()
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    yield str(path), given_file.read(path, given_file.MOST_TEXT_BYTES)
            except OSError as error:
                _count_unread(counts, str(path), error.strerror or str(error))


def _files(given: Path, counts: Counts) -> Iterator[Path]:
    """Yield the files that a path means."""
    if given.is_dir():
        yield from files_in(given, lambda error: _count_unread(counts, str(error.filename), error.strerror or str(error)))
    elif given.suffix == ".ipynb":
        output.warn(f"passed over {given}: a notebook")
    else:
        yield given


def _count_unread(counts: Counts, where: str, reason: str) -> None:
    counts.unread.append(where)
    click.echo(bounded(f"{where}: not read: {reason}"), err=True)


def _as_text(path: str, finding: Finding) -> str:
    """Return a finding as compilers print theirs, and below it what to write."""
    place, rule = finding.place, finding.rule
    head = f"{path}:{place.line}:{place.column}: {rule.code} {finding.sentence}"
    return visible("\n".join([head, "    write instead:", *(f"        {line}" for line in finding.instead)]))


def _as_json(path: str, finding: Finding) -> dict[str, object]:
    """Return a finding as an object for programs."""
    place, rule = finding.place, finding.rule
    return {
        "path": path,
        "line": place.line,
        "column": place.column,
        "last_line": place.last_line,
        "code": rule.code,
        "name": rule.name,
        "sentence": finding.sentence,
        "why": rule.why,
        "instead": list(finding.instead),
    }


def _of(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
