from __future__ import annotations

import subprocess
import sys

import pytest

from testbed.errors import UsageError
from testbed.facility.address import Address
from testbed.facility.runtime import RUNTIMES
from testbed.runtime import backends


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_backend_is_found_by_the_name_it_has_and_starts_nothing(runtime: str) -> None:
    """What a command asks of it before it enters it, it knows at once."""
    backend = backends.of(runtime)
    assert (backend.name, backend.versions) == (runtime, {})
    assert backend.slowdown >= 1.0
    assert repr(runtime) in repr(backend)


def test_the_engine_s_libraries_are_imported_for_containers_only() -> None:
    """Whoever replays on processes does not wait for them."""
    program = (
        "import sys; from testbed.runtime import backends; backends.of('processes'); print('docker' in sys.modules);"
        "backends.of('containers'); print('docker' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split() == ["False", "True"]


@pytest.mark.parametrize(("option", "settings"), [("--toxiproxy", (Address("127.0.0.1", 8474), None)), ("--postgres", (None, "postgres"))])
def test_containers_refuse_the_settings_of_processes(option: str, settings: tuple[Address | None, str | None]) -> None:
    """Each is named, with the runtime that it is for."""
    with pytest.raises(UsageError, match=f"^{option} is for --runtime processes; in containers both come from the image"):
        backends.of("containers", *settings)
