"""The backends by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.errors import UsageError
from testbed.runtime.processes.backend import ProcessesBackend

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.facility.backend import Backend


def of(runtime: str, toxiproxy: Address | None = None, postgres: str | None = None, *, jobs: int = 1) -> Backend:
    """Return the backend of a runtime, for so many facilities at a time; raises UsageError for a setting that the runtime does not know."""
    if runtime == "processes":
        return ProcessesBackend(toxiproxy, postgres, jobs)
    for option, value in (("--toxiproxy", toxiproxy), ("--postgres", postgres)):
        if value is not None:
            raise UsageError(f"{option} is for --runtime processes; in containers both come from the image (compose/compose.yaml)")
    from testbed.runtime.containers.backend import ContainersBackend  # noqa: PLC0415 - nobody else pays for testcontainers and its imports

    return ContainersBackend()
