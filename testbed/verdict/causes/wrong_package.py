"""A package of which only those servers have another version that lost connections: what sets them apart from those that did not (P2).

From the evidence of one moment alone. It is no proof: it is what an investigator would try first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.causes import loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.journal.evidence import About, Evidence


def differences(evidence: Evidence | None, at: str) -> tuple[str, ...]:
    """Return a sentence for each package that sets the servers that lost connections at a line apart from those that lost none there."""
    if evidence is None:
        return ()
    lost = {table.service for table in evidence.pools if any(each.at == at for each in loss.losses(table.connections_out, table.sources))}
    servers = [about for about in evidence.services if about.service in {table.service for table in evidence.pools}]
    have, lack = ([about for about in servers if (about.service in lost) is wanted] for wanted in (True, False))
    return tuple(_sentences(have, lack)) if have and lack else ()


def _sentences(lost: Sequence[About], well: Sequence[About]) -> Iterator[str]:
    whose, others = (" and ".join(about.service for about in servers) for servers in (lost, well))
    verb = "has" if len(lost) == 1 else "have"
    for package in sorted({name for about in (*lost, *well) for name in about.installed}):
        wrong, right = ({about.installed.get(package, "none") for about in servers} for servers in (lost, well))
        if not wrong & right:
            yield (
                f"only {whose} lost connections there, and only {whose} {verb} {package} {' or '.join(sorted(wrong))} "
                f"({' or '.join(sorted(right))} in {others})"
            )
