"""A probe made in a container, from where the link is used."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from contextlib import suppress
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility.probe import ProbeResult
from testbed.observe.probe import ProbeTask
from testbed.runtime.containers import docker_cli

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Sequence


class ContainerProbe(ProbeTask):
    """A probe made in a container, by a program that prints a line when it is held and a line with its result."""

    def __init__(self, link: str, command: Sequence[str], within_s: float) -> None:
        self._within_s = within_s
        self._command = command
        super().__init__(link, self._run)

    async def _run(self, held: Callable[[], None]) -> ProbeResult:
        process = await asyncio.create_subprocess_exec(*self._command, stdout=PIPE, stderr=PIPE)
        try:
            line = await self._wait_line(process)
            if line == "held":
                held()
                line = await self._wait_line(process)
            return ProbeResult(**json.loads(line))
        finally:
            with suppress(ProcessLookupError):  # it has ended by itself
                process.kill()
            await process.wait()

    async def _wait_line(self, process: Process) -> str:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.timeout(self._within_s):
                line = await process.stdout.readline()
        except TimeoutError as error:
            raise FacilityError(f"a probe over the link to {self.link} printed no line within {self._within_s:g} s") from error
        if not line:
            errors = (await process.stderr.read()).decode(errors="replace").strip()
            raise FacilityError(f"a probe over the link to {self.link} could not be made: {errors[-docker_cli.LAST_CHARACTERS :]}")
        return line.decode().strip()
