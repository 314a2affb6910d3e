"""The picture of the repository's README: what the report says of a night, as a PNG.

.venv/bin/testbed replay the_night
.venv/bin/python -m tests.report_picture .testbed/runs/latest .github/the_night.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from testbed.cli.journals import judged
from testbed.report.html.page import page
from tests.browser import Browser, program, wait_for

WIDTH, SCALE = 1000, 1.25  # a README on GitHub is some 840 pixels wide; a dense screen shows more of them
MOST_BYTES = 300_000
# What the picture has of the page: title, cards, a pool over each variant, and who waited for whom.
STYLE = """
body { padding: 0 16px 8px; }
nav, .what, .note, details, .clock, #summary > h2, #charts > h2, main > section:not(#summary, #charts, #waits) { display: none; }
.beside .panel:not(:has([data-key="pool cf-1"])) { display: none; }
.cards, .columns { grid-template-columns: 1fr 1fr; }
</style>"""
DRAWN = "document.querySelectorAll('.graph svg, [data-key=\"pool cf-1\"] > svg').length >= 3"  # a pool of each variant, and a graph


def picture(results_page: str, path: Path, browser_path: str) -> int:
    """Write the picture of a page and return how many bytes it has."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory, Browser(browser_path, Path(directory, "profile")) as browser:
        file = Path(directory, "page.html")
        file.write_text(results_page.replace("</style>", STYLE, 1), encoding="utf-8")
        browser.size(WIDTH, scale=SCALE)
        browser.media(prefers_color_scheme="light")
        browser.open(file)
        wait_for(browser, DRAWN)
        browser.size(WIDTH, browser.run("Math.ceil(document.body.getBoundingClientRect().height)"), scale=SCALE)
        browser.picture(path)
    return path.stat().st_size


def main() -> None:
    """Make the picture of one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a directory of journals")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    options = parser.parse_args()
    path = program()
    if path is None:
        sys.exit("no browser is installed: apt-get install chromium")
    size_bytes = picture(page(judged([options.run], None)), options.picture, path)
    if size_bytes >= MOST_BYTES:
        sys.exit(f"{options.picture} has {size_bytes} bytes, and may have {MOST_BYTES}")
    sys.stdout.write(f"{options.picture}: {size_bytes} bytes\n")


if __name__ == "__main__":
    main()
