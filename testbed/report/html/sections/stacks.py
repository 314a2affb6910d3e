"""Where the request threads stood, by the thread dumps in the journals: those with the same stack together, over all services.

And what the dumps beside the journals tell of thread pools, protocols and libraries.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from testbed.journal.events import Threads
from testbed.plan.clock import clock_text
from testbed.postmortem import stack_reading
from testbed.report import stacks as terminal
from testbed.report.counted import counted
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined
from testbed.verdict import thread_dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.events import ThreadGroup
    from testbed.report.html.judged import JudgedNight, JudgedReplay

MOST_STACKS, MOST_FRAMES = 30, 100  # of a replay, and of a stack


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return the dumps of each replay, with their stacks unfolding; None without any."""
    replays = [replay for judged in nights for replay in judged.replays if replay.journal.of(Threads)]
    if not replays:
        return None
    note = "Each stack unfolds; its outermost call stands first. Threads with the same stack stand at exactly the same line."
    return Fragment("stacks", "Where the threads stood", joined(element("p", note, class_="note"), *map(_of_replay, replays)))


def _of_replay(replay: JudgedReplay) -> Markup:
    dumps = sorted(replay.journal.of(Threads), key=lambda dump: dump.t_s)
    rows = [[f"{dump.service}, {clock_text(dump.night_s)}", thread_dumps.dump_text(dump), _path(dump.file)] for dump in dumps]
    alike: defaultdict[tuple[str, str, tuple[str, ...]], list[tuple[Threads, ThreadGroup]]] = defaultdict(list)
    for dump in dumps:
        for group in dump.groups:
            alike[group.state, group.within, group.stack].append((dump, group))
    ordered = sorted(alike.items(), key=lambda item: -sum(group.count for _, group in item[1]))
    stacks = [_stack(*key, found) for key, found in ordered[:MOST_STACKS]]
    if len(ordered) > MOST_STACKS:
        stacks.append(element("p", f"And {counted(len(ordered) - MOST_STACKS, 'more stack')}; the dumps have them all.", class_="note"))
    table = markup.table(
        f"Thread dumps of {replay.label}", ["service", "what most request threads do", "dump, beside the journal"], rows, class_="dumps"
    )
    told = _readings(replay)
    return element("section", element("h3", replay.label), table, told, *stacks, aria_label=f"{replay.label}, thread stacks")


def _readings(replay: JudgedReplay) -> Markup:
    """Return what the dumps beside the journal tell of libraries, protocols and thread pools; nothing where none of them can be read."""
    rows = [
        [f"{dump.service}, {clock_text(dump.night_s)}", what, told]
        for dump in stack_reading.of_journal(replay.journal)
        if dump.reading is not None
        for what, told in terminal.lines(dump.reading)
    ]
    if not rows:
        return Markup()
    caption = f"What the dumps of {replay.label} tell, {terminal.CAPTION}"
    return markup.details("Thread pools, protocols and libraries", markup.table(caption, ["dump of", "what", "what it tells"], rows))


def _path(file: str) -> Markup:
    """Return a path that is broken behind a slash, where there is no room for it."""
    return Markup("/<wbr>".join(map(markup.text, file.split("/"))))


def _stack(state: str, within: str, stack: tuple[str, ...], found: Sequence[tuple[Threads, ThreadGroup]]) -> Markup:
    count = sum(group.count for _, group in found)
    where = ", ".join(dict.fromkeys(f"{dump.service} at {clock_text(dump.night_s)} ({group.count})" for dump, group in found))
    summary = f"{counted(count, 'thread')}: {state}{f', within {within}' if within else ''}. {where}"
    frames = [element("li", element("code", frame)) for frame in stack[:MOST_FRAMES]]
    if len(stack) > MOST_FRAMES:
        frames.append(element("li", f"and {counted(len(stack) - MOST_FRAMES, 'more frame')}"))
    return markup.details(summary, element("ol", *frames, class_="stack"))
