"""What the receiver of a clean-up is, by its name or by what it was made with: some cannot raise, some Python closes itself.

A file's close raises only if its last bytes cannot be written, and a forgotten file is closed when it is collected: no place in a pool
hangs on it, so neither side of that is a finding. A lock's release does not raise, but to skip it is a deadlock.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from testbed.lint.steps import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# By the last word of the receiver's name, without digits.
FILES = words(
    """
    f fp fh fd fin fout file fileobj infile outfile fobj stdin stdout stderr devnull stringio bytesio buffer buf bio tmp tempfile
    rfile wfile archive zf zipfile zip tar tarfile zfp logfile mm mmap fdopen handle stream out output
    """
)
SILENT = words(
    """
    sock socket s ssock csock transport writer selector sel loop executor lock rlock mutex sem semaphore cond condition event evt
    queue q timer thread threads task future fut process proc popen worker listener patcher patch server httpd pool gen generator
    observer os logging plt pipe pipes reader locks response resp self cls super
    """
)
# What talks to somebody when it is closed, by its name. Of a method that closes members, a close of anything else is no finding.
TALKING = words(
    """
    connection connections conn conns cnx con cursor cursors cur statement stmt result results session sessions db database channel
    client clients consumer producer driver drivers redis engine ws websocket smtp ftp imap ldap broker backend transaction tx txn
    lease store
    """
)
MADE = {
    **dict.fromkeys(
        ("open", "StringIO", "BytesIO", "mmap", "TemporaryFile", "NamedTemporaryFile", "ZipFile", "fdopen", "makefile"), "file"
    ),
    **dict.fromkeys(
        (
            *("socket", "create_connection", "socketpair", "create_server", "Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition"),
            *("Event", "Timer", "Thread", "Process", "Popen", "Queue", "ThreadPoolExecutor", "ProcessPoolExecutor", "DefaultSelector"),
            *("new_event_loop", "create_task", "ensure_future", "patch", "object"),
        ),
        "silent",
    ),
}
# What a silent receiver may raise all the same: a socket whose peer has left cannot be shut down.
LOUD = {
    "shutdown": frozenset({"sock", "socket", "s", "ssock", "csock"}),
    "aclose": frozenset({"gen", "generator"}),
    "rollback": SILENT,
    "commit": SILENT,
    "putconn": SILENT,
}
OF_TWO_ENDS = re.compile(r"pair|pipe", re.IGNORECASE)  # two ends in one process, which tell nobody that they are closed
WORD = re.compile(r"[A-Za-z]+")


def last_word(receiver: str) -> str:
    """Return the last word of a receiver's name in small letters: `sock` of `self._client_sock`."""
    name = re.sub(r"\(.*|\[.*", "", receiver, flags=re.DOTALL).rpartition(".")[2]
    found = WORD.findall(re.sub(r"([a-z])([A-Z])", r"\1_\2", name))
    return found[-1].lower() if found else ""


def made_of(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Return what each name, or member, was made with: the word `file` or `silent`."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and (kind := _kind_made(node.value)):
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                found |= {ast.unparse(part): kind for part in parts if isinstance(part, ast.Name | ast.Attribute)}
    return found


def _kind_made(value: ast.expr) -> str:
    """Return what a call makes; an empty text where that is not known."""
    if isinstance(value, ast.Await | ast.Yield | ast.YieldFrom):
        return _kind_made(value.value) if value.value else ""
    if not isinstance(value, ast.Call):
        return ""
    name = value.func.attr if isinstance(value.func, ast.Attribute) else value.func.id if isinstance(value.func, ast.Name) else ""
    return MADE.get(name) or ("silent" if OF_TWO_ENDS.search(name) else "")


def kind_of(receiver: str, made: Mapping[str, str]) -> str:
    """Return `file`, `silent`, or an empty text for a receiver of which nothing is known."""
    if receiver in made:
        return made[receiver]
    word = last_word(receiver)
    return "file" if word in FILES or word.endswith("file") else "silent" if word in SILENT else ""


def may_raise(receiver: str, method: str, made: Mapping[str, str], *, talking_only: bool = False) -> bool:
    """Whether a clean-up that is not awaited may raise; `talking_only`: a close of what is not known to talk to anybody does not."""
    kind = kind_of(receiver, made)
    if talking_only and not kind and method in ("close", "aclose", "dispose") and last_word(receiver) not in TALKING:
        return False
    return not kind or (kind == "silent" and last_word(receiver) in LOUD.get(method, frozenset()))
