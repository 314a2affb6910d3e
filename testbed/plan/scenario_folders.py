"""The folders of scenarios, and the scenario files in them by name."""

from __future__ import annotations

import os
from pathlib import Path

from testbed.errors import ScenarioError, UsageError
from testbed.plan import package_data
from testbed.plan.decoding import path_text, read_toml, suggestion

SCENARIOS = "scenarios"
VARIANTS = "variants.toml"
MEANT = ("night", "workload", "timeline", "variants")  # any of them, and a file was meant to be a scenario
BEGUN = frozenset(("title", "summary", "facts", "needs", "facility"))  # with these alone, or nothing, it may have been begun as one


def directories() -> tuple[Path, ...]:
    """Return the directories of scenarios: the package's, and then `scenarios` of the current directory, if it is another.

    A file in a later one replaces the file of the same name in an earlier one.
    """
    packaged, here = package_data.directory("scenarios"), Path(SCENARIOS)
    if not here.is_dir() or not is_readable(here):
        return (packaged,)
    return (here,) if here.resolve() == packaged.resolve() else (packaged, here)


def is_readable(directory: Path) -> bool:
    """Return whether the files of a directory may be listed and read."""
    return os.access(directory, os.R_OK | os.X_OK)


def known() -> tuple[Path, ...]:
    """Return the scenario files that are known by name, sorted by it."""
    packaged, *own = (
        {path.name: path for path in directory.glob("*.toml") if path.is_file() and path.name != VARIANTS} for directory in directories()
    )
    files = packaged | {name: path for paths in own for name, path in paths.items() if _is_meant(path)}
    return tuple(files[name] for name in sorted(files))


def _is_meant(path: Path) -> bool:
    """Return whether a file was meant to be a scenario: another program's `scenarios` may hold TOML files of its own."""
    try:
        return not read_toml(path).keys().isdisjoint(MEANT)
    except ScenarioError:
        return True  # so that its mistakes are reported


def not_meant() -> tuple[str, ...]:
    """Return the files of the user's own folder that may have been begun as scenarios, each with what it lacks."""
    names = {path.name for path in known() if path.parent in directories()[1:]}
    files = [file for home in directories()[1:] for file in sorted(home.glob("*.toml")) if file.is_file()]
    return tuple(_lacking(file) for file in files if file.name != VARIANTS and file.name not in names and read_toml(file).keys() <= BEGUN)


def _lacking(path: Path) -> str:
    """Format why a file is no scenario."""
    *others, last = MEANT
    return f"{path}: it is no scenario, for it has none of {', '.join(others)} and {last}"


def origins() -> dict[str, str]:
    """Return where the scenarios that are not the package's come from, by name."""
    packaged, *own = directories()
    return {path.stem: origin_text(path, replaces=(packaged / path.name).is_file()) for path in known() if path.parent in own}


def origin_text(path: Path, *, replaces: bool) -> str:
    """Format where a scenario or variant comes from, and whether it replaces one of the package's."""
    return f"{path}, in place of the package's" if replaces else str(path)


def find(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a scenario, by its name or by a path; raises UsageError that lists the names, and for what is neither."""
    name_or_path = path_text("scenario", name_or_path, "a name, or a path to a .toml file")
    files = {path.stem: path for path in known()}
    names = list(files)
    if name_or_path in files:  # names come first, or a directory of that name in the current one would hide the scenario
        return files[name_or_path]
    path = Path(name_or_path)
    if path.suffix == ".toml" or os.path.exists(name_or_path):  # noqa: PTH110 - False for a name no file can have; Path's raises
        return path
    for file in (file for home in directories()[1:] for file in home.glob("*.toml") if file.stem == name_or_path and file.is_file()):
        if file.name != VARIANTS:  # it would be known by its name if it had anything of a scenario
            raise UsageError(f"no scenario {name_or_path!r}: {_lacking(file)}; `testbed plan {file}` lists what is required")
    raise UsageError(
        f"no scenario {name_or_path!r}{suggestion(name_or_path, names)}; there are {', '.join(names) or 'none'}, "
        "or give a path to a .toml file"
    )
