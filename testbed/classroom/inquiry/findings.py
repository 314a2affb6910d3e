"""What evidence tells of each question of a class, in codes that are compared with what the class answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from testbed.classroom.inquiry import monitoring
from testbed.classroom.saying import say
from testbed.postmortem.request_alarms import is_derived
from testbed.verdict.causes import loss
from testbed.verdict.causes.cause import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.saying import Told
    from testbed.postmortem.alarm import Alarm
    from testbed.postmortem.questions import Answer, Sure

NOBODY, NO_STOP, NOTHING, ROBOT = "nobody", "no_stop", "nothing", "robot"


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a question: the codes of which an answer may name any, how it is told, what was seen, and how sure that is.

    `unknown`: codes of which it is not known whether they belong to it; without either, nothing is known. `causes`: whose place is asked.
    """

    codes: frozenset[str]
    text: Told
    evidence: tuple[Told, ...]
    sure: Sure
    unknown: frozenset[str] = frozenset()
    causes: tuple[Cause, ...] = ()


def of(examined: Examination, held: Mapping[str, bool | None]) -> dict[str, Found]:
    """Return what was found, by question. `held`: the variants of which it was asked whether they hold the night, and whether they do."""
    switchover, cluster, operators, *_ = examined.answers
    found = {
        "switchover": _told(switchover),
        "cause": _cause(examined),
        "line": _place(examined),
        "monitoring": _monitoring(examined),
        "cluster": _told(cluster),
        "operators": _told(operators),
        "detection": _detection(examined),
        "prevention": _prevention(examined, held),
    }
    return {question: replace(told, sure=examined.sure(told.sure) if told.codes else "not told") for question, told in found.items()}


def _told(answer: Answer) -> Found:
    """Return what the post-mortem says to one of its questions."""
    return Found(frozenset(answer.codes), answer.answer, answer.evidence, answer.sure if answer.sure != "not told" else "likely")


def _blamed(examined: Examination) -> tuple[Cause, ...]:
    """Return what most threads wait for in the end: one cause, or several with as many threads each; none where it is not known."""
    root, worst = examined.known.root, examined.worst
    if root is None or worst is None:
        return ()
    return tuple(each.cause for each in worst.who_waits.blamed if each.threads == root.threads and each.cause.code != "unseen")


def _lost_early(examined: Examination) -> tuple[Cause, ...]:
    """Return where connections were lost although nothing stood still for it yet: the line of most of them, by any evidence that was taken.

    Nobody waits, so nothing is blamed; but a class that restarts in time has found the cause all the same.
    """
    lost: Counter[loss.Loss] = Counter()
    for look in examined.looks:
        tables = () if look.evidence is None else look.evidence.pools
        for table in tables:
            lost |= loss.losses(table.connections_out, table.sources)
    return tuple(Cause("lost", each.at, str(each)) for each, _ in lost.most_common(1))


def _is_well(examined: Examination) -> bool:
    """Whether service did not stop, and nothing stood still whose cause was not seen."""
    stood_still = any(examined.judgement.figures.spans.values())
    return examined.has_stopped is False and not stood_still and (examined.worst is None or not examined.worst.who_waits.blamed)


def _cause(examined: Examination) -> Found:
    causes = _blamed(examined)
    if causes:
        sure: Sure = "likely" if examined.known.only_likely else "certain"
        return Found(
            frozenset(cause.code for cause in causes), _either([cause.text for cause in causes]), examined.known.told, sure, causes=causes
        )
    if _is_well(examined):
        seen = (examined.times.stop.text,)
        if any(examined.judgement.figures.most_leaked_connections.values()):
            return _found_early(_lost_early(examined), seen)
        return Found(frozenset([NOBODY]), say("nothing_stood_still"), seen, "certain")
    return Found(frozenset(), say("cause_not_known"), examined.known.told or (examined.times.stop.text,), "not told")


def _found_early(causes: tuple[Cause, ...], seen: tuple[Told, ...]) -> Found:
    if not causes:
        return Found(frozenset(), say("lost_unseen"), seen, "likely")
    return Found(frozenset([NOBODY, *(cause.code for cause in causes)]), _lost_in(causes[0]), seen, "likely", causes=causes)


def _lost_in(cause: Cause) -> Told:
    return say("lost_early", where=cause.text)


def _either(texts: Sequence[str]) -> Told:
    return texts[0] if len(texts) == 1 else say("either", these=list(texts))


def _place(examined: Examination) -> Found:
    found = _cause(examined)
    if not found.causes:
        return replace(found, text=say("no_place") if found.codes else say("place_not_known"))
    places, is_early = frozenset(cause.where for cause in found.causes), NOBODY in found.codes
    seen = tuple(_lost_in(cause) if is_early else cause.text for cause in found.causes)
    return replace(found, codes=places | (found.codes & {NOBODY}), text=_either(sorted(places)), evidence=seen)


def _monitoring(examined: Examination) -> Found:
    told = monitoring.of(examined)
    return Found(frozenset([told.code] if told.code else []), told.text, told.evidence, "certain")


def alarm_code(alarm: Alarm) -> str:
    """Return the code of an alarm as a class knows it: robots are one, whatever they ask for."""
    return ROBOT if is_derived(alarm) else alarm.code


def _detection(examined: Examination) -> Found:
    """Return the alarms that rang before service stopped; those of which it is not known are unknown."""
    answer, times = examined.answers[3], examined.times
    if examined.has_stopped is False:
        return Found(frozenset([NO_STOP]), answer.answer, answer.evidence, "certain")
    if examined.has_stopped is None:
        return Found(frozenset(), answer.answer, answer.evidence, "not told")
    early = frozenset(alarm_code(alarm) for alarm in times.alarms if (lead := times.lead(alarm)) is not None and lead.t_s > 0)
    doubtful = frozenset(alarm_code(alarm) for alarm in times.alarms if alarm.doubt) - early
    codes, unknown = _or_nothing(early, doubtful)
    return Found(codes, answer.answer, answer.evidence, answer.sure, unknown)


def _or_nothing(good: frozenset[str], unknown: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return what is right and what is not known: where nothing is right, that is, as long as nothing is unknown."""
    nothing = frozenset([NOTHING])
    return (good, unknown) if good else (good, unknown | nothing) if unknown else (nothing, unknown)


def _prevention(examined: Examination, held: Mapping[str, bool | None]) -> Found:
    """Return the variants that hold the night, as far as that was measured."""
    seen = (*(_holds(variant, was_held) for variant, was_held in held.items()), *examined.answers[4].evidence)
    if all(was_held is None for was_held in held.values()):
        return Found(frozenset(), say("not_measured"), seen, "not told")
    good = frozenset(variant for variant, was_held in held.items() if was_held)
    text = say("by_variants", variants=sorted(good)) if good else say("by_none_measured")
    codes, unknown = _or_nothing(good, frozenset(variant for variant, was_held in held.items() if was_held is None))
    return Found(codes, text, seen, "likely", unknown)


def _holds(variant: str, was_held: bool | None) -> Told:  # noqa: FBT001 - the value of a variant
    if was_held is None:
        return say("variant_not_known", variant=variant)
    return say("variant_holds", variant=variant) if was_held else say("variant_does_not_hold", variant=variant)
