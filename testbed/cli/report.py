"""The command that writes reports for people and for CI servers, and the option of others that writes the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.cli import options
from testbed.cli.journals import judged
from testbed.cli.output import replace_text, require_replaceable
from testbed.errors import UsageError
from testbed.report import junit as junit_xml
from testbed.report import markdown as markdown_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.verdict.result import Result

STANDARD_OUTPUT = Path("-")


html = click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the report as one HTML file, for any browser; it asks nobody for anything.",
)


@click.command(
    epilog=options.examples(
        "testbed report --html report.html",
        "testbed report .testbed/runs/latest/original.jsonl --html original.html",
        "testbed report .testbed/runs/latest --markdown - --junit junit.xml",
    )
)
@click.argument("journals", nargs=-1, type=click.Path(path_type=Path))
@html
@click.option("--markdown", metavar="FILE", type=click.Path(path_type=Path), help="Write a table for a pull request; - is standard output.")
@click.option("--junit", metavar="FILE", type=click.Path(path_type=Path), help="Write JUnit XML for a CI server; - is standard output.")
@options.runs
def report(journals: tuple[Path, ...], html: Path | None, markdown: Path | None, junit: Path | None, runs: str | None) -> None:
    """Write a report of old journals, judged by today's rules.

    JOURNALS are files, or directories of them; without any, the last run below --runs. The exit code is 0 when all is written, whatever
    the verdicts are: `testbed judge` has one for them.
    """
    if html is markdown is junit is None:
        raise UsageError("nothing to write; give --html FILE, --markdown FILE or --junit FILE")
    if markdown == junit == STANDARD_OUTPUT:
        raise UsageError("--markdown and --junit: found - for both; allowed: standard output for one of them")
    texts = (("--markdown", markdown, markdown_table.summary), ("--junit", junit, junit_xml.xml))
    require_replaceable("--html", html)
    for option, path, _ in texts:
        if path != STANDARD_OUTPUT:
            require_replaceable(option, path)
    results = judged(journals, runs)
    write_html(html, results)
    for option, path, text in texts:
        if path is None:
            continue
        made = text([result.judgement for result in results])
        if path == STANDARD_OUTPUT:
            click.echo(made, nl=False)
        else:
            replace_text(option, path, made)


def write_html(path: Path | None, results: Sequence[Result]) -> None:
    """Write the page of some replays, if a file is given; raises UsageError when it cannot be written."""
    if path is not None:
        from testbed.cli import kept  # noqa: PLC0415 - a replay without a page does without the imports of both
        from testbed.report.html.page import page  # noqa: PLC0415

        replace_text("--html", path, page(results, contained_by=kept.contained_by()))
