from __future__ import annotations

import ast
import functools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import testbed
from testbed import faults, operations
from testbed.faultproxy import toxics
from testbed.registry import class_name, load_word, words_in
from testbed.verdict import checks

ROOT = Path(__file__).parents[1]
FOLDERS = {"testbed", "flight_search", "scenarios", "tests", "compose"}
TOP = {"pyproject.toml", "README.md", "LICENSE", *FOLDERS}
# Each room, in the order of the data, and the rooms before it that it may import. A room is a folder of testbed/, or a file beside them.
ROOMS = {
    "errors": "",
    "registry": "errors",
    "concurrency": "errors",
    "plan": "errors",
    "journal": "errors plan",
    "facility": "errors concurrency plan journal",
    "observe": "errors concurrency journal facility",
    "foreign": "errors concurrency plan journal facility observe",
    "load": "errors facility observe",
    "faultproxy": "errors registry plan",
    "runtime": "errors concurrency plan journal facility observe foreign load",
    "replay": "errors concurrency plan journal facility",
    "faults": "errors concurrency registry plan journal facility replay",
    "operations": "errors registry journal replay",
    "pair": "errors concurrency plan journal facility runtime replay faults",
    "scenario_file": "errors plan facility faultproxy faults operations",
    "verdict": "errors registry plan journal",
    "postmortem": "errors plan journal verdict",
    "report": "errors plan journal observe verdict postmortem",
    "experiments": "errors concurrency plan journal facility runtime replay faults scenario_file verdict report",
    "pytest_plugin": "errors pair verdict report experiments",
    "interactive": "errors concurrency plan journal facility runtime replay faults operations scenario_file experiments",
    "classroom": "errors concurrency plan journal facility runtime replay faults operations scenario_file verdict postmortem report "
    "experiments",
    "lint": "errors",
    "pools": "errors concurrency plan facility runtime",
    "fakes": "errors plan journal facility",
    "cli": "errors concurrency plan journal facility observe faultproxy runtime replay scenario_file verdict postmortem report "
    "experiments interactive classroom lint",
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
# Functions that import a module by its name, and the modules that call one with a name that is not a literal.
IMPORTERS = {"__import__", "import_module", "run_module", "run_path"}
REGISTRIES = {
    "testbed": {"testbed", "testbed.registry", "testbed.cli.main", "testbed.runtime.processes.fork_server"},
    "flight_search": {"flight_search.callers.transaction", "flight_search.lookup"},
}
# Rooms whose files are words: their names are a list elsewhere.
WORDS = ("faults", "operations", "checks", "toxics")
MOST_FOLDERS = 23
# Of the libraries whose stacks a thread dump shows, a frame of a fake stack, and a module of somebody else's.
FOREIGN_FILES = {"queue.py", "selectors.py", "socket.py", "ssl.py", "threading.py", "fake.py", "random.py"}
MOST_FILES = 6


def modules(package: str) -> dict[str, Path]:
    """Return the modules of a package, by their dotted names."""
    paths = sorted((ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@functools.cache
def source(path: Path) -> ast.Module:
    """Read a module, once for all that look at it."""
    return ast.parse(path.read_text(encoding="utf-8"))


def docstring(module: str) -> str:
    """Return the docstring of a module of the testbed."""
    return ast.get_docstring(source(modules("testbed")[module])) or ""


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, also those that only the type checker imports, and those that are named in a call."""
    found = set(named_in_calls(path)[0])
    for node in ast.walk(source(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def named_in_calls(path: Path) -> tuple[set[str], bool]:
    """Return the modules that `import_module` and its like are called with by name, and whether they are used in any other way."""
    names: set[str] = set()
    known: set[ast.AST] = set()
    otherwise = False
    for node in ast.walk(source(path)):
        if isinstance(node, ast.Call) and importer(node.func) and len(node.args) == 1 and not node.keywords:
            known.add(node.func)
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                names.add(name.value)
            else:
                otherwise = True
        elif isinstance(node, ast.ImportFrom):
            otherwise |= any(alias.name in IMPORTERS and alias.asname for alias in node.names)
        else:
            otherwise |= importer(node) and node not in known  # a call is walked before the function that it names
    return names, otherwise


def importer(node: ast.AST) -> bool:
    """Whether an expression is a function that imports a module by its name."""
    return (isinstance(node, ast.Name) and node.id in IMPORTERS) or (isinstance(node, ast.Attribute) and node.attr in IMPORTERS)


def public_names_used(path: Path) -> set[str]:
    """Return what a file takes from the package `testbed` that is not a module: a public name, or the package itself."""
    there = modules("testbed").keys()
    used: set[str] = set()
    for node in ast.walk(source(path)):
        if isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names if alias.name == "testbed" or (is_in(alias.name, "testbed") and not alias.asname)}
        elif isinstance(node, ast.ImportFrom) and node.module == "testbed":
            used |= {alias.name for alias in node.names if f"testbed.{alias.name}" not in there or alias.name in testbed.__all__}
    return used


def imported_modules(name: str, known: dict[str, Path]) -> set[str]:
    """Return the project's modules that a module imports, also those that only the type checker imports."""
    return {found for found in imported(known[name]) if found in known and found != name}


def run_modules(name: str, known: dict[str, Path]) -> set[str]:
    """Return the modules that a module imports, and its own package and theirs: Python runs each `__init__.py` on the way."""
    found = imported_modules(name, known)
    return (found | {package for module in (*found, name) for package in packages_of(module) if package in known}) - {name}


def packages_of(module: str) -> set[str]:
    """Return the packages that a module is in."""
    parts = module.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


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


@pytest.mark.parametrize("package", ["testbed", "flight_search"])
def test_testbed_and_service_import_nothing_else_of_the_project(package: str) -> None:
    """Neither each other, as they meet over sockets, nor tests and scenarios."""
    for name, path in modules(package).items():
        wrong = {found for found in imported(path) if found.split(".")[0] in FOLDERS - {package}}
        assert not wrong, f"{name} imports {wrong}"


@pytest.mark.parametrize("package", ["testbed", "flight_search"])
def test_what_is_imported_can_be_read(package: str) -> None:
    """But for registries, whoever imports a module by its name gives the name as it stands."""
    assert {name for name, path in modules(package).items() if named_in_calls(path)[1]} == REGISTRIES[package]


def test_no_room_uses_a_public_name() -> None:
    """Those of the package `testbed` are for programs, scenarios and tests; through them a room would import any other."""
    wrong = {name: used for name, path in modules("testbed").items() if name != "testbed" and (used := public_names_used(path))}
    assert wrong == {}


@pytest.mark.parametrize("package", ["testbed", "flight_search"])
def test_every_folder_with_code_is_a_package(package: str) -> None:
    """With an `__init__.py`: Python imports from any folder, but no test of the layout would see what is in it."""
    folders = {folder for path in (ROOT / package).rglob("*.py") for folder in path.parents if folder.is_relative_to(ROOT / package)}
    assert {folder for folder in folders if not (folder / "__init__.py").exists()} == set()


def test_each_room_imports_only_what_it_may() -> None:
    """Also for types: what the table has not is not imported."""
    known = modules("testbed")
    for name in known.keys() - {"testbed"}:
        allowed = {room_of(name), *ROOMS[room_of(name)].split()}
        wrong = {found for found in imported_modules(name, known) if found != "testbed" and room_of(found) not in allowed}
        assert not wrong, f"{name} imports {sorted(wrong)}"


def test_each_room_imports_only_rooms_before_it() -> None:
    """The table itself goes one way, and has every room and no other."""
    before: set[str] = set()
    for room, allowed in ROOMS.items():
        assert set(allowed.split()) <= before, room
        before.add(room)
    assert {room_of(name) for name in modules("testbed") if name != "testbed"} == before


@pytest.mark.parametrize("room", [room for room in ROOMS if (ROOT / "testbed" / room).is_dir()])
def test_each_room_says_what_it_may_import(room: str) -> None:
    """In its docstring, after `May import`: what the table has."""
    text = " ".join(docstring(f"testbed.{room}").split())
    (told,) = re.findall(r"\bMay import ([\w, ]+)", text)
    assert re.split(r", | and ", told) == ROOMS[room].split()


@pytest.mark.parametrize("folder", APART)
def test_each_folder_says_what_it_never_imports(folder: str) -> None:
    """In its docstring, after `Does not import`: what the table has."""
    (told,) = re.findall(r"\bDoes not import ([^.]+)\.", docstring(folder))
    assert {f"{folder.rpartition('.')[0]}.{name}" for name in re.findall(r"`(\w+)`", told)} == set(APART[folder])


def test_no_room_is_allowed_what_it_does_not_import() -> None:
    """The table is as short as the code lets it be."""
    known = {name: path for name, path in modules("testbed").items() if name != "testbed"}
    for room, allowed in ROOMS.items():
        used = {room_of(found) for name in known if room_of(name) == room for found in imported_modules(name, known)}
        assert set(allowed.split()) <= used, room


@pytest.mark.parametrize("package", ["testbed", "flight_search"])
def test_files_import_each_other_in_no_circle(package: str) -> None:
    """Neither across rooms nor inside one, also for types, and by way of the packages that they are in."""
    known = modules(package)
    assert circle_in({name: run_modules(name, known) - {package} for name in known}) == []


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
    """In 3 to 12 lines, which name every file and folder in it, and no other but those beside it."""
    for name, path in modules("testbed").items():
        if path.name == "__init__.py" and name != "testbed":
            text = docstring(name)
            assert 3 <= len(text.splitlines()) <= 12, name
            has, beside = names_in(path.parent), names_in(path.parents[1])
            assert set(re.findall(r"\b(\w+)\.py\b", text)) <= has | beside, name
            if name.split(".")[-1] not in WORDS:
                told = {word.removesuffix("/") for word in re.findall(r"`([\w/]+)`", text)}
                assert has - told == set(), name
                assert told - has - beside - {"__main__"} == set(), name


def names_in(folder: Path) -> set[str]:
    """Return the names of the modules and packages in a folder."""
    files = {file.stem for file in folder.glob("*.py")} - {"__init__", "__main__"}
    return files | {file.parent.name for file in folder.glob("*/__init__.py")}


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
        load_word("testbed.faults", faults.__path__, "earthquake", "inject")
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
