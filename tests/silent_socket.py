"""A socket that hears nothing any more, as when its network has vanished without a word.

A socket filter makes the kernel drop every packet that reaches the socket, before TCP sees it: nothing is acknowledged, refused or
closed. No toxic of the fault proxy does that, and no stopped process: their kernel still acknowledges. It needs Linux, but not root.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys

import pytest

SO_ATTACH_FILTER = 26  # asm-generic/socket.h
DROP = struct.pack("HBBI", 0x06, 0, 0, 0)  # a BPF socket filter of one instruction, "return 0": drop the packet
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="socket filters are Linux'")


def go_silent(quiet: socket.socket) -> None:
    """Drop every packet that reaches the socket from now on; one that listens gets no attempt to connect."""
    program = ctypes.create_string_buffer(DROP)
    quiet.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(program)))


def go_silent_fd(descriptor: int) -> None:
    """Do the same to a socket that a driver has."""
    with socket.socket(fileno=os.dup(descriptor)) as duplicate:
        go_silent(duplicate)
