"""Every error that the testbed raises on purpose.

    TestbedError                    exit code 3 unless said otherwise
    ├── UsageError                  the command line asks for what is not there          exit code 2
    │   ├── ScenarioError           a scenario, trace or variant file is wrong           exit code 2
    │   └── WordError               the file of a fault, operation, check or toxic       exit code 2
    ├── JournalError                a journal cannot be read                             exit code 2
    ├── FacilityError               the facility cannot be built or driven
    │   ├── ServiceError            a service died, or was not ready in time
    │   ├── ArrayError              two servers on one array, or an array not mounted
    │   ├── EngineError             the container engine is missing, or a command to it fails
    │   └── ProxyError              the fault proxy refused or did not answer
    ├── WaitError                   a bounded wait ended before what it waited for
    ├── InterruptionError           a signal ended the work                              exit code: 128 and its number
    └── DumpError                   threads could not be dumped

Messages carry name, number, unit and the next step. Foreign libraries' errors are translated where they enter, `from`
the original.
"""

from __future__ import annotations

from typing import ClassVar

MISTAKES, MISTAKE_CHARACTERS = 20, 500  # how many mistakes of a file are told, and at what length
INTERRUPTED = 128  # and the signal's number: the exit code of a command that a signal ended
INDENT = 8  # characters; the lines of a message have two
# What a terminal, or the reader of a line, would obey: control characters but the newline, and those that turn the direction of writing.
OBEYED = {
    code: f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
    if chr(code) != "\n"
}


def visible(text: str) -> str:
    """Return a text of somebody else's in which control characters are shown, so that no terminal obeys them."""
    return text.translate(OBEYED)


def shortened(text: str, characters: int) -> str:
    """Return a text of at most so many characters: its begin and its end, where it is longer."""
    if len(text) <= characters:
        return text
    end = (characters - 1) // 2
    return f"{text[: characters - 1 - end]}…{text[-end:]}"


def bounded(mistake: str) -> str:
    """Return a mistake in what somebody else wrote as it is told: in bounds, and visible."""
    return shortened(visible(mistake).replace("\n", r"\u000a"), MISTAKE_CHARACTERS)


def told(message: str) -> str:
    """Return the message of an error, in which somebody else's words may stand at any length, as it is printed: in bounds, and visible.

    It has a head, at most `MISTAKES` lines below it, and one that counts the others; each line has its indent and `MISTAKE_CHARACTERS`.
    """
    lines = visible(message).split("\n")
    if len(lines) > MISTAKES + 2:
        lines[MISTAKES + 1 :] = [f"  and {len(lines) - MISTAKES - 1} more lines"]
    indents = (line[: len(line) - len(line.lstrip(" "))][:INDENT] for line in lines)
    return "\n".join(indent + shortened(line[len(indent) :], MISTAKE_CHARACTERS) for indent, line in zip(indents, lines, strict=True))


class TestbedError(Exception):
    """Any error that the testbed raises on purpose; `exit_code` is what the command line returns for it."""

    __test__: ClassVar[bool] = False  # pytest collects classes by their name; this is not a test
    exit_code: ClassVar[int] = 3


class UsageError(TestbedError):
    """The command line asks for something that does not exist or is not allowed."""

    exit_code = 2


class ScenarioError(UsageError):
    """A file of plans is wrong.

    `mistakes` holds every mistake found, one line each: key path, what was found, what is allowed. The message has the first `MISTAKES`.
    """

    def __init__(self, file: str, mistakes: tuple[str, ...]) -> None:
        self.file = file
        self.mistakes = tuple(bounded(mistake) for mistake in mistakes)
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        more = [f"  and {len(mistakes) - MISTAKES} more"] if len(mistakes) > MISTAKES else []
        super().__init__("\n".join([f"{file}: {count}", *(f"  {mistake}" for mistake in self.mistakes[:MISTAKES]), *more]))

    @property
    def first(self) -> str:
        """The file and its first mistake, in one line."""
        return f"{self.file}: {self.mistakes[0].splitlines()[0]}"


class WordError(UsageError):
    """The file of a fault, operation, check or toxic is wrong; the message names it, what it has, and what is allowed."""


class JournalError(TestbedError):
    """A journal is missing, empty, or of another format; the message names file and line."""

    exit_code = 2


class FacilityError(TestbedError):
    """The facility cannot be built, driven or taken down."""


class ServiceError(FacilityError):
    """A service died or was not ready in time; the message ends with the service's last lines."""


class ArrayError(FacilityError):
    """The array is mounted on another host, or not on the host whose server should start (C2, C4)."""


class EngineError(FacilityError):
    """The container engine is missing, does not answer, refuses, or lacks the image; the message says what to do."""


class ProxyError(FacilityError):
    """The fault proxy refused a request or does not answer; the message carries its own words."""


class WaitError(TestbedError):
    """A bounded wait ended; the message says for what, how long, and what was seen last."""


class InterruptionError(TestbedError):
    """The work was ended before its end, and everything was taken down; `signal_number` says by which signal, if by one."""

    def __init__(self, signal_number: int | None) -> None:
        self.signal_number = signal_number
        super().__init__("interrupted; everything was taken down, and the journal can be read up to there")


class DumpError(TestbedError):
    """The threads of a service could not be dumped; the message says why and how to permit it."""
