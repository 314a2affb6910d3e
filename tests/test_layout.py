from __future__ import annotations

import ast
import functools
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed import checks, faults, operations
from testbed.faultproxy import toxics
from testbed.words import class_name, load_word, words_in

ROOT = Path(__file__).parent.parent
TOP = {"pyproject.toml", "README.md", "LICENSE", "testbed", "flight_search", "scenarios", "tests", "compose"}
# From one stage to the next: what is planned, what acts on it, what was seen, what that means, what people read.
ACT = (
    *("replay", "act", "load", "workload", "crowd", "facility", "surroundings", "session", "toxiproxy"),
    *("runtime", "observe", "faults", "operations", "faultproxy", "fakes", "byhand", "matrix.run", "scan.run"),
)
SEEN = ("events", "journal", "standstill", "thread_states")
JUDGED = ("outcome", "verdict", "checks", "dumped", "series", "slope", "expectation", "matrix.cell", "matrix.table", "scan.effect")
TOLD = ("report", "console", "summary", "repeat", "told_by_hand", "matrix.told", "matrix.heat_map", "matrix.lessons", "scan.told")


def modules(package: str) -> dict[str, Path]:
    """Give the modules of a package, by their dotted names."""
    paths = sorted((ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@functools.cache
def source(path: Path) -> ast.Module:
    """Read a module, once for all that look at it."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, *, for_types: bool) -> set[str]:
    """Give the modules that a file imports; those that only the type checker imports when asked for them."""
    found: set[str] = set()
    todo: list[ast.AST] = [source(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {node.module or "", *(f"{node.module}.{one.name}" for one in node.names)}
        todo += ast.iter_child_nodes(node)
    return found


def stage_of(module: str, names: tuple[str, ...]) -> bool:
    """Tell whether a module belongs to one of the parts of the testbed."""
    return module.startswith(tuple(f"testbed.{name}." for name in names)) or module in {f"testbed.{name}" for name in names}


@pytest.mark.parametrize(("package", "other"), [("testbed", "flight_search"), ("flight_search", "testbed")])
def test_the_testbed_and_the_service_never_import_each_other(package: str, other: str) -> None:
    """They meet over sockets."""
    for name, path in modules(package).items():
        wrong = {one for one in imported(path, for_types=True) if one.split(".")[0] == other}
        assert not wrong, f"{name} imports {wrong}"


@pytest.mark.parametrize(
    ("part", "never", "for_types"),
    [
        # What judges knows nothing of what acts, not even by type; nor does what was seen.
        (JUDGED, ACT, True),
        (SEEN, (*ACT, *JUDGED, *TOLD), True),
        # What people read runs nothing and replays nothing: it is given journals and judgements. The live picture and the lines for
        # programs are told, by type, of what goes on.
        (TOLD, ACT, False),
        (("report",), ACT, True),
        # What acts does not judge: the journal is complete before anybody does. Session, matrix and scan put both in their order.
        (tuple(name for name in ACT if name not in ("session", "matrix.run", "scan.run")), (*JUDGED, *TOLD), True),
    ],
    ids=["judged", "seen", "told", "report", "act"],
)
def test_imports_go_one_way(part: tuple[str, ...], never: tuple[str, ...], *, for_types: bool) -> None:
    """Plan, act, seen, judged, told: nothing knows a stage that it must not."""
    for name, path in modules("testbed").items():
        if stage_of(name, part):
            wrong = {one for one in imported(path, for_types=for_types) if stage_of(one, never)}
            assert not wrong, f"{name} imports {wrong}"


def test_a_verdict_needs_nothing_that_acts() -> None:
    """Not at one remove either: to judge an old journal, no runtime is loaded."""
    known, todo = modules("testbed"), ["testbed.verdict", "testbed.journal", "testbed.report"]
    todo += [name for name in known if name.startswith("testbed.checks")]
    reached: set[str] = set()
    while todo:
        name = todo.pop()
        if name in known and name not in reached:
            reached.add(name)
            todo += imported(known[name], for_types=False)
    # The report lists scenarios, and so knows their type; reading them is the plan's.
    assert {name for name in reached if stage_of(name, ACT)} == set()


def test_fakes_are_for_whoever_asks_for_them() -> None:
    """Nothing of the testbed runs on fakes by itself."""
    for name, path in modules("testbed").items():
        if not name.startswith("testbed.fakes"):
            assert not {one for one in imported(path, for_types=True) if stage_of(one, ("fakes",))}, name


@pytest.mark.parametrize(("package", "plural"), [(faults, "faults"), (operations, "operations"), (toxics, "toxics")])
def test_each_word_has_its_file_and_its_class(package: object, plural: str) -> None:
    """`reset_peer` is `reset_peer.py`, class `ResetPeer`, made there and nowhere else, and its file says what it does."""
    path = package.__path__  # type: ignore[attr-defined]
    for word in words_in(path):
        found = load_word(package.__name__, path, word)  # type: ignore[attr-defined]
        assert (found.__name__, found.__module__) == (class_name(word), f"{package.__name__}.{word}"), plural  # type: ignore[attr-defined]
        assert found.__doc__


def test_each_check_has_its_file_and_its_function() -> None:
    """`crack` is `crack.py`, function `check`, and it says what it looks for."""
    for word in checks.names():
        check = checks.load(word)
        assert check.__module__ == f"testbed.checks.{word}"
        assert check.__doc__


def test_what_is_no_word_is_not_found() -> None:
    """Whoever asks gets a KeyError."""
    with pytest.raises(KeyError):
        load_word("testbed.faults", faults.__path__, "earthquake")
    with pytest.raises(KeyError):
        checks.load("earthquake")


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="the project is not in a git repository here")
def test_nothing_else_is_at_the_top() -> None:
    """But for dotfiles, and what git ignores."""
    names = [path.name for path in ROOT.iterdir() if not path.name.startswith(".")]
    ignored = subprocess.run(
        ["git", "-C", str(ROOT), "check-ignore", *(f"{name}/" if (ROOT / name).is_dir() else name for name in names)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    assert {name for name in names if name not in {one.rstrip("/") for one in ignored}} <= TOP


def test_every_module_says_what_it_is() -> None:
    """In the first line of its docstring, which ends as sentences do."""
    for package in ("testbed", "flight_search"):
        for name, path in modules(package).items():
            told = ast.get_docstring(source(path)) or ""
            assert told.splitlines()[0].endswith((".", ":")), name


def test_there_is_no_attic() -> None:
    """No module is named for what it is not."""
    for package in ("testbed", "flight_search"):
        for name in modules(package):
            assert not {"utils", "util", "helpers", "common", "base", "misc"} & set(name.split("."))
