"""Makes the pictures of the class's page in its README, from a journal of the night of the case.

    .venv/bin/testbed replay the_night --variant original
    .venv/bin/python -m tests.class_picture .testbed/runs/latest/original.jsonl

Each shows the page of the recorded night at the moment at which evidence was taken first, at the width of a laptop and of a telephone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from testbed.classroom.export import export
from testbed.journal import reader
from testbed.journal.events import EvidenceTaken
from tests.browser import NARROW, WIDE, Browser, program, wait_for

FOLDER = Path(__file__).parents[1] / ".github"
HEIGHTS = {WIDE: 1_900, NARROW: 1_700}


def picture(width: int) -> Path:
    """Return where the picture of a width is."""
    return FOLDER / f"class_{width}.png"


def main() -> None:
    """Make both pictures."""
    path = program()
    if path is None or len(sys.argv) != 2:
        sys.exit("usage: python -m tests.class_picture JOURNAL; it needs a browser: apt-get install chromium")
    journal = reader.read(Path(sys.argv[1]))
    at_s = min(event.t_s for event in journal.of(EvidenceTaken)) + 0.2
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory, Browser(path, Path(directory, "profile")) as browser:
        export(journal, Path(directory, "night"))
        for width, height in HEIGHTS.items():
            browser.size(width, height)
            browser.open(Path(directory, "night", "index.html"))
            share = f"(({at_s} - Classroom.recording.from_s()) / (Classroom.recording.to_s() - Classroom.recording.from_s()))"
            browser.run(f"slider.value = Math.round({share} * slider.max); slider.dispatchEvent(new Event('input'))")
            wait_for(browser, "Classroom.get('waits') && !document.querySelector('#waits svg')?.hidden")
            browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            browser.picture(picture(width))
            sys.stdout.write(f"{picture(width)}: {picture(width).stat().st_size / 1e3:.0f} kB\n")


if __name__ == "__main__":
    main()
