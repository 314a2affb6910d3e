"""Writes a file of variables for `docker compose --env-file`, so that each value arrives as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Within double quotes these are all that compose's parser takes for more than themselves (github.com/compose-spec/compose-go, dotenv).
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "$": r"\$", "\n": r"\n", "\r": r"\r"})


def text(variables: Mapping[str, str]) -> str:
    """Return the file's text. Without quotes `$` would be replaced, ` #` would begin a comment, and a newline another variable."""
    return "".join(f'{name}="{value.translate(ESCAPES)}"\n' for name, value in variables.items())
