from __future__ import annotations

import ast
import functools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed import faults, operations
from testbed.faultproxy import toxics
from testbed.registry import class_name, load_word, words_in
from testbed.verdict import checks

ROOT = Path(__file__).parents[1]
TOP = {"pyproject.toml", "README.md", "LICENSE", "testbed", "flight_search", "scenarios", "tests", "compose"}
# Each room, from the lowest, and the rooms that it may import. A room is a folder of testbed/, or a file beside them.
ROOMS = {
    "errors": "",
    "registry": "",
    "concurrency": "errors",
    "plan": "errors",
    "journal": "errors",
    "facility": "errors concurrency plan journal",
    "observe": "errors concurrency journal facility",
    "load": "errors facility observe",
    "faultproxy": "registry",
    "runtime": "errors concurrency plan journal facility observe load",
    "replay": "errors concurrency plan journal facility",
    "faults": "errors concurrency registry plan journal facility replay",
    "operations": "errors registry journal replay",
    "scenario_file": "errors plan facility replay faults operations",
    "verdict": "registry plan journal",
    "report": "errors plan verdict",
    "experiments": "errors concurrency plan journal facility runtime replay faults scenario_file verdict",
    "interactive": "errors concurrency plan journal facility runtime replay faults operations scenario_file experiments",
    "fakes": "errors plan journal facility",
    "cli": "errors concurrency plan journal facility faultproxy runtime replay scenario_file verdict report experiments interactive",
    "__main__": "cli",
}
# Within a room: what a folder never imports.
APART = {
    "testbed.runtime.postgres": ("testbed.runtime.processes", "testbed.runtime.containers"),
    "testbed.runtime.processes": ("testbed.runtime.containers",),
    "testbed.runtime.containers": ("testbed.runtime.processes",),
    "testbed.experiments.matrix": ("testbed.experiments.scan",),
    "testbed.experiments.scan": ("testbed.experiments.matrix",),
}
MOST_FOLDERS = 16
# Of the libraries whose stacks a thread dump shows, a frame of a fake stack, and a module of somebody else's.
FOREIGN_FILES = {"queue.py", "socket.py", "ssl.py", "threading.py", "fake.py", "random.py"}
MOST_FILES = 6


def modules(package: str) -> dict[str, Path]:
    """Return the modules of a package, by their dotted names."""
    paths = sorted((ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@functools.cache
def source(path: Path) -> ast.Module:
    """Read a module, once for all that look at it."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, *, for_types: bool) -> set[str]:
    """Return the modules that a file imports; those that only the type checker imports when asked for them."""
    found: set[str] = set()
    todo: list[ast.AST] = [source(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        todo += ast.iter_child_nodes(node)
    return found


def imported_modules(name: str, known: dict[str, Path]) -> set[str]:
    """Return the project's modules that a module imports, also those that only the type checker imports."""
    return {found for found in imported(known[name], for_types=True) if found in known and found != name}


def room_of(module: str) -> str:
    """Return the room that a module of the testbed is in."""
    return module.split(".")[1]


def is_in(module: str, package: str) -> bool:
    """Whether a module is a package, or in it."""
    return module == package or module.startswith(f"{package}.")


def circle_in(edges: dict[str, set[str]]) -> list[str]:
    """Return a circle of a graph; an empty list when there is none."""
    done: set[str] = set()

    def search(node: str, path: list[str]) -> list[str]:
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return []
        for following in sorted(edges[node]):
            if found := search(following, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(edges) if (found := search(node, []))), [])


@pytest.mark.parametrize(("package", "other"), [("testbed", "flight_search"), ("flight_search", "testbed")])
def test_the_testbed_and_the_service_never_import_each_other(package: str, other: str) -> None:
    """They meet over sockets."""
    for name, path in modules(package).items():
        wrong = {found for found in imported(path, for_types=True) if found.split(".")[0] == other}
        assert not wrong, f"{name} imports {wrong}"


def test_each_room_imports_only_what_it_may() -> None:
    """Also for types: what the table has not is not imported."""
    known = modules("testbed")
    for name in known.keys() - {"testbed"}:
        allowed = {room_of(name), *ROOMS[room_of(name)].split()}
        wrong = {found for found in imported_modules(name, known) if found != "testbed" and room_of(found) not in allowed}
        assert not wrong, f"{name} imports {sorted(wrong)}"


def test_no_room_may_import_one_above_it() -> None:
    """The table itself goes one way, and has every room and no other."""
    below: set[str] = set()
    for room, allowed in ROOMS.items():
        assert set(allowed.split()) <= below, room
        below.add(room)
    assert {room_of(name) for name in modules("testbed") if name != "testbed"} == below


def test_no_room_is_allowed_what_it_does_not_import() -> None:
    """The table is as short as the code lets it be."""
    known = {name: path for name, path in modules("testbed").items() if name != "testbed"}
    for room, allowed in ROOMS.items():
        used = {room_of(found) for name in known if room_of(name) == room for found in imported_modules(name, known)}
        assert set(allowed.split()) <= used, room


@pytest.mark.parametrize("package", ["testbed", "flight_search"])
def test_files_import_each_other_in_no_circle(package: str) -> None:
    """Neither across rooms nor inside one, also for types."""
    known = modules(package)
    assert circle_in({name: imported_modules(name, known) - {package} for name in known}) == []


@pytest.mark.parametrize(("room", "others"), APART.items(), ids=list(APART))
def test_folders_that_stand_beside_each_other_do_not_know_each_other(room: str, others: tuple[str, ...]) -> None:
    """A backend, or an experiment, can be left out without the other."""
    known = modules("testbed")
    for name in known:
        if is_in(name, room):
            wrong = {found for found in imported_modules(name, known) for other in others if is_in(found, other)}
            assert not wrong, f"{name} imports {sorted(wrong)}"


def test_the_top_of_the_house_fits_on_a_page() -> None:
    """So many folders and files, and no more."""
    top = [path for path in (ROOT / "testbed").iterdir() if path.name not in ("__pycache__", "py.typed")]
    assert sum(path.is_dir() for path in top) <= MOST_FOLDERS
    assert sum(path.is_file() for path in top) <= MOST_FILES


def test_each_room_says_what_it_is_and_what_it_has() -> None:
    """In 3 to 12 lines, which name every file in it."""
    for name, path in modules("testbed").items():
        if path.name == "__init__.py" and name != "testbed":
            text = ast.get_docstring(source(path)) or ""
            assert 3 <= len(text.splitlines()) <= 12, name
            if name.split(".")[-1] not in (
                "faults",
                "operations",
                "checks",
                "toxics",
            ):  # one word, one file: their names are a list elsewhere
                files = {file.stem for file in path.parent.glob("*.py")} - {"__init__", "__main__"}
                assert {file for file in files if f"`{file}`" not in text} == set(), name


@pytest.mark.parametrize(("package", "plural"), [(faults, "faults"), (operations, "operations"), (toxics, "toxics")])
def test_each_word_has_its_file_and_its_class(package: object, plural: str) -> None:
    """`reset_peer` is `reset_peer.py`, class `ResetPeer`, made there and nowhere else, and its file says what it does."""
    path = package.__path__  # type: ignore[attr-defined]
    for word in words_in(path):
        found = package.load(word)  # type: ignore[attr-defined]
        name = f"No{plural.removesuffix('s').capitalize()}" if word == "nothing" else class_name(word)
        assert (found.__name__, found.__module__) == (name, f"{package.__name__}.{word}")  # type: ignore[attr-defined]
        assert found.__doc__


def test_each_check_has_its_file_and_its_function() -> None:
    """`crack` is `crack.py`, function `check`, and it says what it looks for."""
    for word in checks.names():
        check = checks.load(word)
        assert check.__module__ == f"testbed.verdict.checks.{word}"
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
    assert {name for name in names if name not in {path.rstrip("/") for path in ignored}} <= TOP


def test_every_module_says_what_it_is() -> None:
    """In the first line of its docstring, which ends as sentences do."""
    for package in ("testbed", "flight_search"):
        for name, path in modules(package).items():
            told = ast.get_docstring(source(path)) or ""
            assert told.splitlines()[0].endswith((".", ":")), name


@pytest.mark.parametrize("package", ["testbed", "flight_search"])
def test_a_file_that_is_named_is_there(package: str) -> None:
    """A docstring or a comment that names `x.py` means a file of the project: documentation of what has moved moves with it."""
    there = {path.name for folder in ("testbed", "flight_search", "scenarios", "tests") for path in (ROOT / folder).rglob("*.py")}
    there |= {path.name for path in (ROOT / "compose").rglob("*")}
    named = {
        (name, found) for name, path in modules(package).items() for found in re.findall(r"\b\w+\.py\b", path.read_text(encoding="utf-8"))
    }
    assert {(name, found) for name, found in named if found not in there | FOREIGN_FILES} == set()


def test_there_is_no_attic() -> None:
    """No module is named for what it is not."""
    for package in ("testbed", "flight_search"):
        for name in modules(package):
            assert not {"utils", "util", "helpers", "common", "base", "misc"} & set(name.split("."))
