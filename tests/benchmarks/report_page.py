"""How large the page of some journals is, and how long it takes: to be written, and to be loaded and drawn in Chromium.

.venv/bin/python -m tests.benchmarks.report_page .testbed/runs/latest
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from testbed.cli.journals import judged
from testbed.report.html.page import page
from tests.browser import Browser, program

TIMES = 9
ALL = "window.dispatchEvent(new Event('beforeprint'))"  # draws what is further down, too


def main() -> None:
    """Print the figures of one page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journals", nargs="+", type=Path, help="journals, or directories of them")
    parser.add_argument("--times", type=int, default=TIMES, help="how often the page is loaded")
    options = parser.parse_args()
    path = program()
    if path is None:
        sys.exit("no browser is installed: apt-get install chromium")
    results = judged(options.journals, None)
    started_s = time.perf_counter()
    text = page(results)
    sys.stdout.write(f"{len(results)} replays: {len(text.encode()) / 1e6:.2f} MB, written in {time.perf_counter() - started_s:.2f} s\n")
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory, Browser(path, Path(directory, "profile")) as browser:
        file = Path(directory, "page.html")
        file.write_text(text, encoding="utf-8")
        browser.size(1280)
        loaded_s, all_s, worked_s = [], [], []
        for _ in range(options.times):
            started_s = time.perf_counter()
            browser.open(file)
            loaded_s.append(time.perf_counter() - started_s)
            worked_s.append(browser.worked_s)
            browser.run(ALL)
            all_s.append(time.perf_counter() - started_s)
    sys.stdout.write(
        f"loaded, and what is near drawn: median of {options.times}: {median(loaded_s):.2f} s, at most {max(loaded_s):.2f} s\n"
    )
    sys.stdout.write(f"of a processor, it takes {median(worked_s):.2f} s to load it, at most {max(worked_s):.2f} s\n")
    sys.stdout.write(f"every chart drawn: median {median(all_s):.2f} s, at most {max(all_s):.2f} s\n")


if __name__ == "__main__":
    main()
