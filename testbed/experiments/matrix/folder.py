"""The matrix as a folder: a file for each scenario and runtime, and a page and a picture of all of them.

    RUNTIME/SCENARIO.jsonl    a header line, and a line for each variant in the order of variants.toml
    README.md                 the overview (`text.py`)
    containment.svg           the picture (`picture.py`)

The header has `title`, `seed`, `requests` (how many the trace has), `trace_sha256`, `made_by` (the command) and `commit` (of the code that
replayed it). A variant's line has `settings` (the digest of the settings it was replayed with, see `plan.digest`) and the fields of its
cell (`cell.py`), which contradict neither each other nor the header (`consistency.py`); a line
without these was not replayed. A variant's line changes only if its measurement or a setting does; the header also if the command or the
code is another, or the scenario's title, trace or seed.
Files are replaced as a whole, so that whoever reads one while it is written, or after a kill, has the old one or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from testbed.errors import UsageError, bounded
from testbed.experiments.matrix import consistency, picture, plan
from testbed.experiments.matrix.cell import Cell, Count
from testbed.experiments.matrix.table import Column, Frozen, Matrix, Provenance, Row
from testbed.experiments.matrix.text import GENERATED, markdown
from testbed.facility.runtime import RUNTIMES
from testbed.plan import given_file, written_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from testbed.experiments.matrix.table import ColumnKey
    from testbed.plan.settings import KeptVariant

PAGE, PICTURE = "README.md", "containment.svg"
REMAKE = "`testbed matrix --out` writes it anew once it is removed"
FileRecord = TypeVar("FileRecord", bound=BaseModel)


class FileHeader(Frozen):
    """The first line of a file."""

    format: Literal[2]
    title: str
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    requests: Count
    trace_sha256: str
    made_by: str
    commit: str


class Line(BaseModel):
    """A variant's line: its name, the digest of its settings, and the fields of its cell as they stand there."""

    model_config = ConfigDict(frozen=True, extra="allow")

    variant: str
    settings: str


def read(directory: Path, variants: Mapping[str, KeptVariant]) -> Matrix:
    """Read the matrix of a folder; its rows come in the order of `variants`, which also say what each of them is.

    Raises UsageError that names the file, the line and the first thing that is wrong in it.
    """
    columns: list[Column] = []
    cells: list[Cell] = []
    made: dict[ColumnKey, Provenance] = {}
    for path in _paths(directory):
        column, made[column.key], of_column = _read_file(path)
        columns.append(column)
        cells += of_column
    present = dict.fromkeys(variant for provenance in made.values() for variant in provenance.settings)
    names = [*(name for name in variants if name in present), *(name for name in present if name not in variants)]
    rows = tuple(plan.row(name, variants[name]) if name in variants else Row(variant=name) for name in names)
    return Matrix(columns=tuple(columns), rows=rows, cells=tuple(cells), made=made).ordered()


def write(matrix: Matrix, directory: Path, variants: Mapping[str, KeptVariant]) -> None:
    """Write the file of each column, then page and picture of all that the folder has; files of other columns stay.

    Raises OSError that names what cannot be written.
    """
    for column in matrix.columns:
        path = _path(directory, column.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        written_file.write(path, "".join(f"{line}\n" for line in _lines(matrix, column)))
    whole = read(directory, variants)
    written_file.write(directory / PAGE, markdown(whole))
    written_file.write(directory / PICTURE, picture.draw(whole))


def require_nothing_lost(
    directory: Path, columns: Iterable[Column], keys: Iterable[tuple[str, str, str]], variants: Mapping[str, KeptVariant]
) -> None:
    """Raise UsageError if the files of these columns have a cell, of a variant that there still is, that is not among `keys`.

    Every file of the folder is read, as `write` reads them all for the page and the picture: one that is wrong is refused now.
    """
    replaced, written = set(keys), {column.key for column in columns}
    for path in _files(directory):
        column, _, cells = _read_file(path)
        lost = [cell.variant for cell in cells if column.key in written and cell.key not in replaced and cell.variant in variants]
        if lost:
            raise UsageError(
                f"--out: {path} has {len(lost)} cells that would be lost, the first: {lost[0]}; write to another folder, and put both "
                "together with `testbed matrix merge`"
            )


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make the folder and keep every other matrix out of it, which would not see the cells that this one is about to write.

    A folder that was made here and is still empty at the end is removed: the matrix ended early. Raises UsageError if another matrix holds
    it, or it cannot be made or locked. Locked is the folder itself: there is no file for it.
    """
    was_there = directory.is_dir()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(f"--out: nothing can be written to {directory}: {error.strerror}; give another folder") from error
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"--out: another matrix is being made for {directory}; wait for its end, or give another folder") from error
        except OSError as error:
            raise UsageError(f"--out: {directory} cannot be locked: {error.strerror}; give a folder on another file system") from error
        yield
    finally:
        if not was_there:
            with suppress(OSError):  # it has files now
                directory.rmdir()
        os.close(opened)


def require_writable(directory: Path, columns: Iterable[Column]) -> None:
    """Raise UsageError if `write` cannot write a file of this folder, or would overwrite one that it did not write."""
    for path in [*(_path(directory, column.key) for column in columns), directory / PAGE, directory / PICTURE]:
        home = path.parent
        if os.path.lexists(home) and not (home.is_dir() and os.access(home, os.W_OK | os.X_OK)):
            raise UsageError(f"--out: nothing can be written to {home}; give another folder")
        if path.exists() and not path.is_file():
            raise UsageError(f"--out: {path} is not a file and cannot be replaced; give another folder")
    for path, mark in ((directory / PAGE, GENERATED), (directory / PICTURE, picture.GENERATED)):
        if path.exists() and mark not in _text(path):
            raise UsageError(f"--out: {path} was not written by `testbed matrix` and would be lost; give another folder")


def _text(path: Path) -> str:
    """Return the text of a file; an empty text if it cannot be read as one."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _path(directory: Path, key: ColumnKey) -> Path:
    scenario, runtime = key
    return directory / runtime / f"{scenario}.jsonl"


def _paths(directory: Path) -> list[Path]:
    """Return the files of a folder; raises UsageError if it is no matrix."""
    if directory.is_file():
        raise UsageError(
            f"{directory} is a file; a matrix is a folder since format 2, such as scenarios/containment; `testbed matrix --out` writes one"
        )
    if not directory.is_dir():
        raise UsageError(f"the matrix {directory} cannot be read: there is no such folder; `testbed matrix --out` writes one")
    paths = _files(directory)
    if not paths:
        raise UsageError(f"{directory} is no matrix: there is no {RUNTIMES[0]}/SCENARIO.jsonl in it; `testbed matrix --out` writes one")
    return paths


def _files(directory: Path) -> list[Path]:
    """Return the files of a folder, in the order of their columns."""
    return [path for runtime in RUNTIMES for path in sorted((directory / runtime).glob("*.jsonl"), key=lambda path: path.stem)]


def _lines(matrix: Matrix, column: Column) -> Iterator[str]:
    provenance = matrix.made.get(column.key, Provenance())
    header = FileHeader(
        format=2,
        title=column.title,
        seed=column.seed,
        requests=column.requests,
        trace_sha256=column.trace_sha256,
        made_by=provenance.made_by,
        commit=provenance.commit,
    )
    yield _json(header.model_dump(mode="json"))
    for row in matrix.rows:
        cell = matrix.cell(column.key, row.variant)
        if cell is None and row.variant not in provenance.settings:
            continue
        figures = {} if cell is None else cell.model_dump(mode="json", exclude={"scenario", "runtime", "variant"}, exclude_defaults=True)
        yield _json({"variant": row.variant, "settings": provenance.settings.get(row.variant, ""), **figures})


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _read_file(path: Path) -> tuple[Column, Provenance, list[Cell]]:
    """Read one file: its column, how that was made, and its cells."""
    try:
        # Not splitlines(): a title may have U+2028 or U+0085, which JSON does not escape.
        lines = given_file.read(path, given_file.MOST_MATRIX_BYTES).decode().removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read: {why}; {REMAKE}") from error
    header = _decode(FileHeader, lines[0], f"{path}, line 1")
    column = Column(
        scenario=path.stem,
        runtime=path.parent.name,
        title=header.title,
        seed=header.seed,
        requests=header.requests,
        trace_sha256=header.trace_sha256,
    )
    settings: dict[str, str] = {}
    cells = []
    for number, text in enumerate(lines[1:], start=2):
        where = f"{path}, line {number}"
        line = _decode(Line, text, where)
        if line.variant in settings:
            raise UsageError(f"{where}: {bounded(f'the variant {line.variant} stands on a line before')}; {REMAKE}")
        settings[line.variant] = line.settings
        if line.model_extra:
            cells.append(_cell(line, column, where))
    if not settings:
        raise UsageError(f"{path} has no line of a variant, only a header; {REMAKE}")
    return column, Provenance(made_by=header.made_by, commit=header.commit, settings=settings), cells


def _cell(line: Line, column: Column, where: str) -> Cell:
    """Return the cell of a line; raises UsageError for one that contradicts itself, with the first field that does."""
    fields = line.model_extra or {}
    for key in ("scenario", "runtime"):
        if key in fields:
            raise UsageError(f"{where}: {key}: not allowed in a line, as the name of the file says it; {REMAKE}")
    with _refusing(where):
        cell = Cell.model_validate({"scenario": column.scenario, "runtime": column.runtime, "variant": line.variant, **fields})
    for key, mistake in consistency.mistakes(cell, column):
        raise UsageError(f"{where}: {bounded(f'{key}: {mistake}')}; {REMAKE}")
    return cell


def _decode(record: type[FileRecord], text: str, where: str) -> FileRecord:
    with _refusing(where):
        return record.model_validate_json(text)


@contextmanager
def _refusing(where: str) -> Iterator[None]:
    """Raise UsageError with the file, the line and the first thing that is wrong in it."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        mistake = bounded(f"{f'{key}: ' if key else ''}{first['msg']}")
        raise UsageError(f"{where}: {mistake}; {REMAKE}") from error
