from __future__ import annotations

import os
import subprocess
import sys

import pytest

from testbed.runtime.containers import run_label

TOLD = "from testbed.runtime.containers import run_label; print(run_label.of_this_process(), flush=True); input()"


def test_a_living_process_has_not_ended_and_a_dead_one_has() -> None:
    """Whatever either can see of the other's directories."""
    with subprocess.Popen([sys.executable, "-c", TOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        label = other.stdout.readline().strip()
        assert not run_label.has_ended(label)
        assert not run_label.has_ended(run_label.of_this_process())
        other.kill()
        other.wait()
        assert run_label.has_ended(label)


def test_no_label_comes_again() -> None:
    """Of one process neither: a network that was left is another run's."""
    assert run_label.of_this_process() != run_label.of_this_process()


@pytest.mark.parametrize("part", [0, 1])
def test_a_process_of_another_machine_boot_or_container_is_not_known_to_have_ended(part: int) -> None:
    """Its number may be anybody's here."""
    parts = run_label.of_this_process().split(":")
    parts[2:4] = "999999999", "1"
    assert run_label.has_ended(":".join(parts))
    parts[part] = "another"
    assert not run_label.has_ended(":".join(parts))


def test_a_process_id_that_came_again_is_another_process() -> None:
    """It started at another time."""
    parts = run_label.of_this_process().split(":")
    assert parts[2] == str(os.getpid())
    assert run_label.has_ended(":".join([*parts[:3], "1", parts[4]]))


@pytest.mark.parametrize("label", ["doctor", "versions", "by-hand", "", "host:/tmp/testbed-0/run-1"])
def test_what_belongs_to_no_run_is_left_alone(label: str) -> None:
    """Nobody knows whose it is."""
    assert not run_label.has_ended(label)
