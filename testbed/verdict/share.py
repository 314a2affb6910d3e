"""The verdict over several replays of a variant, where chance decides: how many of them must hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from testbed.plan.expectation import WHATEVER, Expectation
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testbed.verdict.judge import Judgement


def verdict(expect: Expectation, verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict over the verdicts of one or more replays.

    Without a share the worst of them. With one: `held` where enough held, or all did; `broken` where those that are left, of `of`, could
    not make up for what broke; `unknown` where more replays are needed. Of more than `of`, the same share must hold.
    """
    if expect.of is None or expect.at_least is None:
        return max(verdicts, key=lambda verdict: verdict.rank)
    counts, count = Counter(verdicts), len(verdicts)
    of = max(expect.of, count)
    least, held = expect.at_least * of, counts[Verdict.HELD] * expect.of
    if held >= least or counts[Verdict.HELD] == count:
        return Verdict.HELD
    return Verdict.BROKEN if (of - counts[Verdict.BROKEN]) * expect.of < least else Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class SharedVerdict:
    """The verdict over all replays of a variant, and in words how many held, and how many must (empty if all must)."""

    variant: str
    verdict: Verdict
    text: str


def of(judgements: Iterable[Judgement]) -> tuple[SharedVerdict, ...]:
    """Return the verdict over all replays of each variant that was judged, of each scenario and runtime apart."""
    judged: dict[tuple[str, ...], list[Judgement]] = {}
    for judgement in judgements:
        header = judgement.figures.header
        judged.setdefault((header.scenario, header.runtime, header.variant, repr(header.expect)), []).append(judgement)
    return tuple(_over(of_variant) for of_variant in judged.values())


def _over(judgements: Sequence[Judgement]) -> SharedVerdict:
    header, verdicts = judgements[0].figures.header, [judgement.verdict for judgement in judgements]
    try:
        expect = Expectation.model_validate(header.expect)
    except ValidationError:  # which the check `consistent` reports
        expect = WHATEVER
    return SharedVerdict(header.variant, verdict(expect, verdicts), text(expect, verdicts))


def text(expect: Expectation, verdicts: Sequence[Verdict]) -> str:
    """Return how many replays held, and how many must; an empty text if all must."""
    if expect.of is None:
        return ""
    held = sum(verdict is Verdict.HELD for verdict in verdicts)
    return f"held in {held} of {len(verdicts)}; expected in at least {expect.at_least} of {expect.of}"
