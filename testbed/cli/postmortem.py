"""The command that tells what a post-mortem asks: who waited for whom, what could have warned, what the thread dumps tell (P1, P3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.cli import kept, options, output
from testbed.cli.journals import judged
from testbed.postmortem import questions, stack_reading, warning_time
from testbed.report import five_questions, stacks, waits, warnings
from testbed.report.terminal import plain_console
from testbed.verdict import who_waits

if TYPE_CHECKING:
    from rich.console import Console

    from testbed.journal.reader import Journal
    from testbed.verdict.judge import Judgement


@click.command(epilog=options.examples("testbed postmortem", "testbed postmortem .testbed/runs/latest/original.jsonl"))
@click.argument("journals", nargs=-1, type=click.Path(path_type=Path))
@options.runs
def postmortem(journals: tuple[Path, ...], runs: str | None) -> None:
    """Show who waited for whom, and what could have warned.

    Of each moment at which evidence was taken: what all that hangs waits for in the end. Then the five questions of the case with their
    answers, when each alarm would have rung, and what the thread dumps tell of libraries, protocols and thread pools.

    JOURNALS are files, or directories of them; without any, the last run below --runs.
    """
    console = plain_console()
    contained_by = kept.contained_by()
    failures: list[Exception] = []
    for result in judged(journals, runs):
        header = result.journal.header
        try:
            _tell(console, result.journal, result.judgement, contained_by.get((header.scenario, header.runtime)))
        except OSError:  # of what is printed to, or of the machine
            raise
        except Exception as error:  # noqa: BLE001 - a journal that nobody can tell of must not hide the others; it is raised after them
            output.warn(f"the post-mortem of {result.journal.path} ends here: {type(error).__name__}: {error}")
            failures.append(error)
    if failures:
        raise failures[0]


def _tell(console: Console, journal: Journal, judgement: Judgement, contained_by: tuple[str, ...] | None) -> None:
    header = journal.header
    console.print(f"{header.scenario} over {header.variant}: {judgement.summary}; of {journal.path}", soft_wrap=True)
    for finding in judgement.doubts:
        console.print(f"the replay cannot be believed: {finding.text}", soft_wrap=True)
    looks, times = who_waits.of_journal(journal), warning_time.of(journal, judgement)
    for look in looks:
        console.print(f"Root, {waits.title(look, judgement.figures)}:", soft_wrap=True)
        for sentence in waits.sentences(look):
            console.print(f"  {sentence}", soft_wrap=True)
        if look.who_waits.edges:
            console.print(waits.table(look, judgement.figures))
    console.print(five_questions.table(questions.of(journal, judgement, looks, times, contained_by)))
    console.print(warnings.table(times))
    dumps = stack_reading.of_journal(journal)
    if dumps:
        console.print(stacks.table(dumps))
    else:
        console.print("There is no thread dump of this replay: nothing hung, and nobody asked for one.")
