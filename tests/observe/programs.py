"""Small Python programs that stand in a known wait, started as processes of their own: what `testbed threads --pid` looks into."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# As the testbed's services do, each lets others of its user look into it where Yama would not; and it is ready when it says so.
BEGIN = """
import ctypes, sys, threading, time
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
def start(function, *arguments, name=None):
    thread = threading.Thread(target=function, args=arguments, name=name or function.__name__, daemon=True)
    thread.start()
    return thread
"""
END = """
print("ready", flush=True)
sys.stdin.read()
"""
# Two threads that take two locks, in the order that they are given: each holds its first one before either takes its second.
TWO_LOCKS = """
both = threading.Barrier(2)
class Account:
    def __init__(self):
        self.lock = LOCK()
def move(source, target):
    with source.lock:
        both.wait()
        with target.lock:
            pass
"""
CROSSED = (
    f"{TWO_LOCKS}\nfirst, second = Account(), Account()\nstart(move, first, second, name='there')\nstart(move, second, first, name='back')"
)
# The same shape, but the second lock is one that a third thread holds, which waits for nobody.
HELD_BY_A_THIRD = f"""{TWO_LOCKS}
first, second, third = Account(), Account(), Account()
def hold():
    with third.lock:
        time.sleep(600)
start(hold)
time.sleep(0.1)
start(move, first, third, name='there')
start(move, second, third, name='back')
"""
QUEUE = """
import queue
empty = queue.Queue()
def worker():
    empty.get()
start(worker)
"""
FORTY = """
LOCK = threading.Lock()
def hold():
    with LOCK:
        time.sleep(600)
def work():
    with LOCK:
        pass
start(hold, name="holder")
time.sleep(0.1)
for _ in range(40):
    start(work)
"""


@contextmanager
def running(directory: Path, text: str, settle_s: float = 0.3, python: str = sys.executable) -> Iterator[subprocess.Popen[str]]:
    """Run a program from a file until the block ends; yield it when it is ready, and its threads have come to where they wait."""
    path = directory / "program.py"
    path.write_text(BEGIN + text + f"\ntime.sleep({settle_s})" + END)
    with subprocess.Popen([python, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
