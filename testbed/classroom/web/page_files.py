"""The files of the page, as they are served, and as they are copied for a recorded night."""

from __future__ import annotations

from pathlib import Path

HOME = Path(__file__).parents[1] / "page"
REPORT = Path(__file__).parents[2] / "report" / "html"
# By the name that the page has for it: what the report draws its graphs with, too.
SHARED = {"vendor/dagre.min.js": REPORT / "vendor" / "dagre.min.js", "wait_graph.js": REPORT / "wait_graph.js"}
INDEX, DATA = "index.html", "data.js"  # the data are of the night, not of the page
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def names() -> tuple[str, ...]:
    """Return the names of all files, relative to the page; `data.js` is none of them."""
    return (*sorted(path.name for path in HOME.iterdir() if path.suffix in TYPES), *SHARED)


def read(name: str) -> bytes | None:
    """Return the content of a file; None if the page has none of that name."""
    if name in SHARED:
        return SHARED[name].read_bytes()
    return (HOME / name).read_bytes() if name in names() else None


def media_type(name: str) -> str:
    """Return the media type of a file."""
    return TYPES[Path(name).suffix]
