"""The backends by name. Each is imported when it is wanted: nobody pays for web servers, drivers or testcontainers that are not used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.errors import UsageError

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.facility.backend import Backend


def of(runtime: str, toxiproxy: Address | None = None, postgres: str | None = None, *, jobs: int = 1) -> Backend:
    """Return the backend of a runtime, for so many facilities at a time; raises UsageError for a setting that the runtime does not know."""
    if runtime == "processes":
        from testbed.runtime.processes.backend import ProcessesBackend  # noqa: PLC0415

        return ProcessesBackend(toxiproxy, postgres, jobs)
    for option, value in (("--toxiproxy", toxiproxy), ("--postgres", postgres)):
        if value is not None:
            raise UsageError(f"{option} is for --runtime processes; in containers both come from the image (compose/compose.yaml)")
    from testbed.runtime.containers.backend import ContainersBackend  # noqa: PLC0415

    return ContainersBackend()
