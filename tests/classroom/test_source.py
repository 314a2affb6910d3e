from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from pathlib import Path

import pytest

from testbed.classroom import source
from testbed.classroom.saying import RefusalError, say

SERVICE = Path(__file__).parents[2] / "flight_search"
FILES = sorted(path.relative_to(SERVICE.parent).as_posix() for path in SERVICE.rglob("*.py"))
ORIGINAL = "lookup/original.py"
STACKS = (f"{ORIGINAL}:24 lookup_by_city", "psycopg/cursor.py:97 execute")


def words_of(text: str) -> set[str]:
    """Return the words of five letters or more of docstrings and comments that stand nowhere in the code."""
    told = [token.string for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT]
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    told += [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    code = ast.unparse(Bare().visit(ast.parse(text)))
    return set(re.findall(r"\w{5,}", " ".join(told))) - set(re.findall(r"\w{5,}", code))


class Bare(ast.NodeTransformer):
    """Takes docstrings away."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Replace a string that is a statement of its own."""
        is_string = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if is_string else node


@pytest.mark.parametrize("file", FILES)
def test_no_word_of_a_docstring_or_comment_is_sent_before_the_reveal(file: str) -> None:
    """Of any file of the service; the code is all there, each line at its number."""
    text = (SERVICE.parent / file).read_text(encoding="utf-8")
    blank = source.without_words(text)
    assert set(re.findall(r"\w+", "\n".join(blank))) & words_of(text) == set()
    whole = text.splitlines()
    assert len(blank) == len(whole)
    assert all(line in ("", before) or before.startswith(line) for line, before in zip(blank, whole, strict=True))
    code = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type in (tokenize.NAME, tokenize.OP)]
    left = tokenize.generate_tokens(io.StringIO("\n".join(blank) + "\n").readline)
    assert [(token.string, token.start) for token in left if token.type in (tokenize.NAME, tokenize.OP)] == [
        (token.string, token.start) for token in code
    ]


def test_the_file_that_grounded_the_airline_does_not_say_so() -> None:
    """Neither live nor in a recorded night; after the reveal it does."""
    told = "\n".join(source.read(ORIGINAL, STACKS)["lines"])
    assert "statement.close()" in told
    assert not re.search(r"ground|never|link is dead|skipped|O3|#|\"\"\"", told)
    assert source.named_in(STACKS, revealed=False) == {ORIGINAL: told.split("\n")}
    whole = source.read(ORIGINAL, None)["lines"]
    assert "grounded the airline" in whole[0]
    assert source.named_in(STACKS, revealed=True) == {ORIGINAL: whole}


def test_a_string_that_is_no_docstring_stays() -> None:
    """And what stands before a comment, and after a docstring."""
    text = inspect.cleandoc(
        """
        def f(a):  # first
            \"\"\"Say # this.

            More.\"\"\"
            b = "# not this"
            return (
                "nor this"  # but this
            )
        """
    )
    wanted = ["def f(a):", "", "", "", '    b = "# not this"', "    return (", '        "nor this"', "    )"]
    assert source.without_words(text + "\n") == wanted


def test_a_file_that_no_stack_names_is_refused() -> None:
    """With those that are allowed; the package's own name may stand before the file's."""
    assert source.read(f"flight_search/{ORIGINAL}", STACKS)["file"] == ORIGINAL
    with pytest.raises(RefusalError) as caught:
        source.read("lookup/fixed.py", STACKS)
    assert caught.value.said == say("no_such_file", file="lookup/fixed.py", allowed=[ORIGINAL])
