from __future__ import annotations

from dataclasses import dataclass, field

from testbed.runtime.containers.shortages import ContainerShortages


@dataclass
class Printed:
    """A runtime whose containers printed this."""

    texts: dict[str, str]
    asked: list[tuple[str, int]] = field(default_factory=list)

    def printed_since(self, name: str, since_s: int) -> str:
        """Return what one printed."""
        self.asked.append((name, since_s))
        return self.texts.get(name, "")


async def test_what_containers_printed_says_what_was_lacking() -> None:
    """Of each of them, since the facility was built: those that stay served others before."""
    runtime = Printed({"cf-1": "MemoryError\n", "db-1": "LOG:  could not fork new process\nLOG:  could not fork new process\n"})
    shortages = ContainerShortages(runtime, ("cf-1", "db-1", "kiosk"), since_s=77)  # type: ignore[arg-type]
    found = [(event.of, event.resource, event.lines) for event in await shortages.look(lambda: (1.0, 2.0))]
    assert found == [("cf-1", "memory", 1), ("db-1", "processes", 2)]
    assert sorted(runtime.asked) == [("cf-1", 77), ("db-1", 77), ("kiosk", 77)]
