"""The image of the containers runtime: one for every role, built from the installed code and libraries, with a digest of both as its tag.

So checkouts which share an engine never run each other's code, a wheel and the checkout it was built from have the same
image, and an image is up to date if it exists and has the base that the engine has now. `latest` is the image built last, and
the default of `compose.yaml`.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import EngineError
from testbed.plan import package_data
from testbed.runtime.containers import docker_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from testbed.runtime.containers.docker_cli import Engine

NAME = "grounded-testbed"
PACKAGES = ("testbed", "flight_search")
COMPOSE = ("Dockerfile", "commands")
DIGEST_DIGITS = 12
CODE_LABEL = f"{docker_cli.LABEL}.code"
BASE_LABEL = f"{docker_cli.LABEL}.base"
NEEDED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^]]*)\])?")  # the name of a requirement, and its extras
OF_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")

REGISTRY_BASE = "debian:bookworm-slim"
OWN_BASE = "grounded-testbed-base:bookworm"
RELEASE = "bookworm"
PYTHON = "3.11"  # of that release
GLIBC_MINOR = 36  # of that release's glibc, 2.36: it runs wheels for this and older versions
BUILD_TOOL = "pip"  # for the build itself; it is not in the image

CONTACT_WITHIN_S = 10.0
PULL_WITHIN_S = 300.0
BOOTSTRAP_WITHIN_S = 600.0
WHEELS_WITHIN_S = 600.0
VERSIONS_WITHIN_S = 60.0
BUILD_WITHIN_S = 900.0
LAST_LINES = 20
VERSIONS = "testbed.runtime.containers.programs.versions"
STEP = re.compile(r"^(?:Step \d+/\d+ : |#\d+ \[)(.*)")  # of the old builder, and of BuildKit

# Leave out what debian:bookworm-slim leaves out as well.
BOOTSTRAP = (
    *("mmdebstrap", "--variant=minbase", "--include=usr-is-merged", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"),
    *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
    *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"),
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine has: its full name, its size in bytes with all layers, its id, and that of its base (empty: unknown)."""

    name: str
    size_bytes: int
    id: str
    base: str


def name_for_code(machine: str) -> str:
    """Return the name of the image for the installed code and libraries on a machine; raises EngineError when some code is missing."""
    requirements = _requirements()
    return f"{NAME}:{_digest(_code_files(), (machine, *requirements, *_libraries(requirements)))[:DIGEST_DIGITS]}"


def look(name: str) -> Image | None:
    """Return an image that the engine has; None when it has none of that name."""
    try:
        inspected = json.loads(docker_cli.run("image", "inspect", "--format", "{{json .}}", name))
    except EngineError as error:
        if "no such image" in str(error).lower():
            return None
        raise
    labels = (inspected.get("Config") or {}).get("Labels") or {}  # a base that was bootstrapped has none
    return Image(name, inspected["Size"], inspected["Id"], labels.get(BASE_LABEL, ""))


def current(engine: Engine) -> Image | None:
    """Return the image of the installed code and libraries, if the engine has it, on the base that it would be built on now."""
    image = look(name_for_code(engine.machine))
    base = image and _base_there()  # where the base was removed meanwhile, nothing says that it is another
    return None if image and base and image.base != base.id else image


def versions(image: Image) -> dict[str, str]:
    """Return the versions of what is in the image, as its own programs say, and the image's name and base."""
    labels = ("--label", f"{docker_cli.USER_LABEL}={os.getuid()}", "--label", f"{docker_cli.RUN_LABEL}=versions")
    command = ("run", "--rm", "--network", "none", *labels, image.name, "python", "-m", VERSIONS)
    try:
        read = json.loads(docker_cli.run(*command, within_s=VERSIONS_WITHIN_S))
    except ValueError as error:
        raise EngineError(f"the image {image.name} does not say what is in it: {error}; remove it, and build it again") from error
    return {**read, "image": image.name, "base": image.base}


def build(tell: Callable[[str], None]) -> Image:
    """Build the image for the installed code, unless the engine has it, tag it `latest`, and return it.

    1. Write the context: the code, and the wheels for the image's Python, fetched by this Python's pip.
    2. Meanwhile get the base: the engine's, or a registry's, or else one bootstrapped on this machine.
    3. Build.

    `tell` is called with a line for each step that begins. Raises EngineError with the last lines of the program that failed.
    """
    engine = docker_cli.find()
    name = name_for_code(engine.machine)
    with _locked((package_data.checkout() or Path.cwd()) / ".testbed" / "image") as home:
        image = current(engine)
        if image is None:
            log = home / "build.log"
            log.unlink(missing_ok=True)
            with ThreadPoolExecutor(1) as executor:
                base = executor.submit(_base, home, log, tell)
                context = _context(home, engine, log, tell)  # 1
                _build(name, base.result(), context, log, tell)  # 2, 3
            image = current(engine)
        docker_cli.run("tag", name, f"{NAME}:latest")
    if image is None:
        raise EngineError(f"the image {name} was built, and the engine does not have it; build it again")
    return image


def _code_files() -> dict[str, Path]:
    """Return the files that make the image, by their paths in the context's `source`, in a fixed order."""
    top, compose = package_data.packages(), package_data.directory("compose")
    parts = {name: top / name for name in PACKAGES} | {f"compose/{name}": compose / name for name in COMPOSE}
    if missing := [str(path) for path in parts.values() if not path.exists()]:
        raise EngineError(f"the image is built from the installed code, of which is missing: {', '.join(missing)}; install it again")
    files = {}
    for name, path in parts.items():
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                files[(name / file.relative_to(path)).as_posix()] = file
    data = f"testbed/{package_data.DATA}/"  # only a wheel has it; what the image needs of it is in `files` already
    return {name: files[name] for name in sorted(files) if not name.startswith(data)}


def _requirements() -> list[str]:
    """Return the distributions that the installed code needs, with their bounds."""
    try:
        requirements = importlib.metadata.requires(NAME) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise EngineError(f"{NAME} is not installed, so what its image needs is unknown; install it: pip install -e .") from error
    return sorted(requirement for requirement in requirements if "extra ==" not in requirement)


def _libraries(requirements: Sequence[str]) -> list[str]:
    """Return each distribution that the requirements bring, with the version installed here, to which its wheel is pinned.

    Of the conditions of a requirement only extras are asked: one too many costs a build, and one too few would run another version. One
    that is not installed here, because only the image's Python needs it, has a version of pip's choice, which no name can know.
    """
    found: dict[str, str] = {}
    followed: set[str] = set()
    left = list(requirements)
    while left:
        requirement = left.pop()
        needed = NEEDED.match(requirement)
        if needed is None or needed[0] in followed:
            continue
        followed.add(needed[0])
        with suppress(importlib.metadata.PackageNotFoundError):
            library = importlib.metadata.distribution(needed[1])
            found[library.name] = library.version
            extras = {word.strip() for word in (needed[2] or "").split(",")}
            conditions = {text: OF_EXTRA.search(text) for text in library.requires or ()}
            left += [text for text, extra in conditions.items() if extra is None or extra[1] in extras]
    return sorted(f"{name}=={version}" for name, version in found.items())


def _digest(files: Mapping[str, Path], decides: Sequence[str]) -> str:
    """Return the digest of the files, and of what else decides what is in the image."""
    digest = hashlib.sha256("\n".join(decides).encode())
    for name, file in files.items():
        digest.update(f"{name} {file.stat().st_mode & 0o111:o}\n".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def _locked(home: Path) -> Iterator[Path]:
    """Lock the directory in which images are built, of the checkout or else the working directory: one build at a time."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with (home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield home
    except OSError as error:
        raise EngineError(f"the image's context cannot be written to {home}: {error}; make space or rights there") from error


def _context(home: Path, engine: Engine, log: Path, tell: Callable[[str], None]) -> Path:
    context = home / "context"
    source = context / "source"
    shutil.rmtree(source, ignore_errors=True)
    for name, file in _code_files().items():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    _fetch_wheels(context / "wheels", engine, log, tell)
    return context


def _fetch_wheels(directory: Path, engine: Engine, log: Path, tell: Callable[[str], None]) -> None:
    """Fetch the wheels of all dependencies for the image's Python, in the versions installed here, unless they are there already.

    The same versions, so that both runtimes run the same libraries, and a journal's header is true of either.
    """
    requirements = _requirements()
    installed = sorted({f"{package.name}=={package.version}" for package in importlib.metadata.distributions() if package.name != NAME})
    files = {"requirements.txt": requirements, "constraints.txt": installed, "platform.txt": [PYTHON, engine.machine]}
    texts = {name: "\n".join(lines) + "\n" for name, lines in files.items()}
    if all((directory / name).is_file() and (directory / name).read_text() == text for name, text in texts.items()):
        return
    if importlib.util.find_spec(BUILD_TOOL) is None:
        raise EngineError(f"the wheels cannot be fetched: {sys.executable} has no pip; install it: {sys.executable} -m ensurepip")
    tell(f"fetching {len(requirements)} Python packages and their dependencies, for Python {PYTHON} on {engine.machine}")
    fresh = directory.with_name("wheels.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, text in texts.items():
        (fresh / name).write_text(text)
    platforms = [f"manylinux_2_{minor}_{engine.machine}" for minor in range(GLIBC_MINOR, 4, -1)]
    platforms += [f"manylinux2014_{engine.machine}", f"linux_{engine.machine}"]
    command = [
        *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--only-binary=:all:", "--dest", str(fresh)),
        *("--implementation", "cp", "--python-version", PYTHON, *(word for platform in platforms for word in ("--platform", platform))),
        *("--requirement", str(fresh / "requirements.txt"), "--constraint", str(fresh / "constraints.txt"), BUILD_TOOL),
    ]
    _run(command, log, WHEELS_WITHIN_S, "the wheels cannot be fetched")
    shutil.rmtree(directory, ignore_errors=True)
    fresh.rename(directory)


def _base(home: Path, log: Path, tell: Callable[[str], None]) -> str:
    """Return the name of a base image that the engine has, having pulled or bootstrapped one if it had none."""
    base = _base_there()
    if base is not None:
        return base.name
    tell(f"asking the registry for {REGISTRY_BASE}")
    if _pull(REGISTRY_BASE):
        return REGISTRY_BASE
    if shutil.which(BOOTSTRAP[0]) is None:
        raise EngineError(
            f"no base image: no registry has {REGISTRY_BASE}, and {BOOTSTRAP[0]} is not installed to bootstrap one; install {BOOTSTRAP[0]} "
            f"(`.ci/engine` of a checkout does), or load the image with `docker load`"
        )
    tell(f"no registry answers; bootstrapping Debian {RELEASE} instead")
    archive = home / "base.tar"
    try:
        _run([*BOOTSTRAP, RELEASE, str(archive)], log, BOOTSTRAP_WITHIN_S, "the base image cannot be bootstrapped")
        docker_cli.run("import", "--change", 'CMD ["bash"]', str(archive), OWN_BASE)
    finally:
        archive.unlink(missing_ok=True)
    return OWN_BASE


def _base_there() -> Image | None:
    """Return the base image that the engine has; None if it has none."""
    return look(OWN_BASE) or look(REGISTRY_BASE)


def _pull(name: str) -> bool:
    """Pull an image; return False when no registry answers within `CONTACT_WITHIN_S`. One that answers has `PULL_WITHIN_S`."""
    with subprocess.Popen([docker_cli.COMMAND, "pull", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pull:
        assert pull.stdout is not None
        limit = threading.Timer(CONTACT_WITHIN_S, pull.kill)
        limit.start()
        first = pull.stdout.readline()  # "bookworm-slim: Pulling from …", or an error
        limit.cancel()
        limit = threading.Timer(PULL_WITHIN_S if "Pulling" in first else 0.0, pull.kill)
        limit.start()
        pull.stdout.read()
        limit.cancel()
    return pull.returncode == 0


def _build(name: str, base: str, context: Path, log: Path, tell: Callable[[str], None]) -> None:
    built_on = look(base)
    command = [
        *(docker_cli.COMMAND, "build", "--force-rm", "--network", "host", "--tag", name, "--build-arg", f"BASE={base}"),
        *("--label", f"{CODE_LABEL}={name.partition(':')[2]}", "--label", f"{docker_cli.USER_LABEL}={os.getuid()}"),
        *("--label", f"{BASE_LABEL}={built_on.id if built_on else ''}"),
        *("--file", str(context / "source" / "compose" / "Dockerfile"), str(context)),
    ]
    tell(f"building {name} on {base}")

    def step(line: str) -> None:
        begun = STEP.match(line)
        if begun:
            tell(f"  {' '.join(begun[1].split())[:100]}")

    _run(command, log, BUILD_WITHIN_S, f"the image {name} cannot be built", step, {"BUILDKIT_PROGRESS": "plain"})


def _run(
    command: Sequence[str],
    log: Path,
    within_s: float,
    failed: str,
    on_line: Callable[[str], None] | None = None,
    environment: dict[str, str] | None = None,
) -> None:
    """Run a program, with its lines in the log; raises EngineError, which begins with `failed` and ends with its last lines."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    started = time.monotonic()
    try:
        with (
            log.open("a") as lines,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **(environment or {})},
            ) as process,
        ):
            assert process.stdout is not None
            limit = threading.Timer(within_s, process.kill)
            limit.start()
            try:
                for line in process.stdout:
                    lines.write(line)
                    last.append(line)
                    if on_line:
                        on_line(line)
                process.wait()
            except BaseException:
                process.kill()  # or the end of the block would wait for it
                raise
            finally:
                limit.cancel()  # or the end of Python would wait for it
    except OSError as error:
        raise EngineError(f"{failed}: {command[0]}: {error.strerror}") from error
    if process.returncode != 0:
        took_s = time.monotonic() - started
        raise EngineError(
            f"{failed}: {command[0]} ended with exit code {process.returncode} after {took_s:.0f} s; see {log}\n{''.join(last)}"
        )
