from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import HeartbeatCount
from testbed.journal.evidence import About, DatabaseSide, Evidence, Heartbeats, Missing, OwnAddress, Route
from testbed.plan.expectation import Outcome
from testbed.postmortem import questions, warning_time
from testbed.postmortem.alarm import Ring
from testbed.verdict import judge
from testbed.verdict.causes.cause import Cause
from testbed.verdict.who_waits import Blamed, Look, WhoWaits
from tests.journals import CALLERS, EVENING_S, NightBuilder, contained_night, hung_night

if TYPE_CHECKING:
    from testbed.plan.expectation import CauseCode
    from testbed.postmortem.questions import Answer

LOST = Cause("lost", "lookup/original.py:24", "8 of 8 connections were lost in lookup/original.py:24")
VIRTUAL_IP = Route("virtual IP of database", "a:10", "a:20", listens=True)
SETTINGS = {"name": "cf-1", "pool_size": 40, "database": "host=a port=10 user=flights"}


def about(service: str, *, psycopg: str = "3.2", **settings: object) -> About:
    """Return what an application server is."""
    return About(service, 1, {}, {"psycopg": psycopg}, {}, {**SETTINGS, "name": service, **settings})


def evidence(*services: About, routes: tuple[Route, ...] = (VIRTUAL_IP,), address: str = "a:20") -> Evidence:
    """Return what the services told, and the database server."""
    side = DatabaseSide("database", "db-2", address, "18", 100)
    callers = tuple(About(caller, 1, {}, {}, {}, {"name": caller}) for caller in CALLERS)
    return Evidence("hung", 5.0, 5.0, 0.1, (), (*(services or (about("cf-1"), about("cf-2"))), *callers), (side,), routes)


def look(cause: Cause | None = LOST, told: Evidence | None = None) -> Look:
    """Return a moment at which all wait for one cause."""
    blamed = () if cause is None else (Blamed(cause, 20, ("cf-1", "kiosk")),)
    return Look(90_000.0, "hung", WhoWaits((), blamed), "", told)


def answers(night: NightBuilder, *looks: Look, contained_by: tuple[str, ...] | None = None) -> list[Answer]:
    """Return the five answers of a night."""
    journal = night.journal()
    judgement = judge.judge(journal)
    return list(questions.of(journal, judgement, looks, warning_time.of(journal, judgement), contained_by))


def moved(**of_end: object) -> NightBuilder:
    """Return the hung night in which the switchover, which began at 1 s, ended like this; without anything, it never ended."""
    night = hung_night()
    changed = (
        replace(event, **of_end) if event.event == "operation" and event.state != "begin" else event  # type: ignore[arg-type]
        for event in night.events
        if of_end or event.event != "operation" or event.state == "begin"
    )
    night.events = sorted(changed, key=lambda event: event.t_s)
    return night


@pytest.mark.fact("P1")
def test_a_move_that_succeeded_is_not_blamed_for_what_the_code_lost() -> None:
    """The first question: no, and what did is named by its line; both times stand beside it."""
    cause, *_ = answers(hung_night(), look())
    assert (cause.answer[:3], cause.sure) == ("No.", "certain")
    assert any("lost in lookup/original.py:24" in seen for seen in cause.evidence)
    assert any(seen.startswith("service stopped at 22:08:20") for seen in cause.evidence)


@pytest.mark.fact("P1")
def test_what_was_not_seen_is_not_told() -> None:
    """Without evidence nobody is blamed, and no cluster is called correct."""
    cause, cluster, operators, _, prevention = answers(hung_night())
    assert [answer.sure for answer in (cause, cluster, prevention)] == ["not told"] * 3
    assert (operators.answer, operators.sure) == ("Yes.", "certain")
    assert answers(hung_night(), look(Cause("unseen", "pool of cf-1", "not known")))[0].sure == "not told"


UNSEEN = Cause("unseen", "pool of cf-1", "what is behind pool of cf-1 is not known: no answer")
NO_ANSWER = Cause("no_answer", "database", "the database does not answer")
WRONG = Cause("wrong_address", "a:19", "cf-2 connects to a:19")
BY_NAMES = Cause("deadlock", "cf-1", "a deadlock in cf-1 (likely: the locks are told by their names on the same objects)", only_likely=True)


def waited_for(*causes: tuple[Cause, int], unread: str = "") -> Look:
    """Return a moment at which so many threads wait for each cause."""
    return Look(90_000.0, "hung", WhoWaits((), tuple(Blamed(cause, threads, ("cf-1",)) for cause, threads in causes)), unread)


@pytest.mark.parametrize("moves", [True, False])
@pytest.mark.parametrize(
    ("seen", "sure", "named"),
    [
        (waited_for((LOST, 40)), "certain", ""),
        (waited_for((LOST, 39), (UNSEEN, 1)), "likely", "one thread waits for it"),
        (waited_for((LOST, 1), (UNSEEN, 39)), "not told", "39 threads wait for it"),
        (waited_for((WRONG, 0), (UNSEEN, 20)), "not told", "20 threads wait for it"),
        (waited_for((LOST, 20), (NO_ANSWER, 20)), "likely", "the database does not answer"),
        (waited_for((LOST, 40), unread="the evidence cannot be read"), "not told", "the evidence cannot be read"),
        (waited_for((UNSEEN, 40)), "not told", "no answer"),
        (waited_for(), "not told", ""),
    ],
)
def test_a_cause_is_certain_only_where_nothing_else_is_waited_for(seen: Look, sure: str, named: str, *, moves: bool) -> None:
    """It is not told where most was not seen; what else is waited for stands beside it, with a switchover before the stop or without."""
    night = hung_night()
    night.events = [event for event in night.events if moves or event.event not in ("operation", "step")]
    cause, *_, prevention = answers(night, seen)
    assert cause.sure == sure
    assert named in "; ".join(cause.evidence)
    assert (prevention.sure == "not told") is (sure == "not told")


def test_a_cause_that_calls_itself_likely_is_no_more() -> None:
    """As a deadlock whose locks are known by their names alone."""
    night = hung_night()
    night.events = [event for event in night.events if event.event not in ("operation", "step")]
    assert answers(night, look(BY_NAMES))[0].sure == "likely"


def test_what_was_seen_before_service_stopped_is_only_likely_to_have_stopped_it() -> None:
    """When that was is said."""
    cause, *_ = answers(hung_night(), replace(look(), night_s=79_000.0))
    assert (cause.sure, cause.evidence[-1]) == ("likely", "that was seen at 21:56:40, before service stopped")


@pytest.mark.parametrize("night", [hung_night(), moved(), moved(state="failed")])
def test_without_a_known_root_no_part_of_the_switchover_is_told(night: NightBuilder) -> None:
    """Whether it was carried out, was under way, or failed."""
    cause = answers(night, look(UNSEEN))[0]
    assert (cause.answer.endswith("; what lies between was not seen."), cause.sure) == (True, "not told")


def test_of_a_replay_that_cannot_be_believed_nothing_is_certain() -> None:
    """As of a journal that contradicts itself, which is said."""
    night = hung_night()
    night.events = night.events[::-1]
    told = answers(night, look())
    assert "certain" not in [answer.sure for answer in told]
    assert told[0].evidence[-1].startswith("the replay cannot be believed: the journal contradicts itself")


def test_another_cause_is_likely_and_no_more() -> None:
    """That a lock is what all wait for does not say that the move had no part in it."""
    cause, *_ = answers(hung_night(), look(Cause("lock", "session 7", "a lock")))
    assert (cause.answer.startswith("Not by itself"), cause.sure) == (True, "likely")


def test_a_package_that_says_another_version_than_its_metadata_is_no_difference() -> None:
    """One service has loaded it, and the other has not; where two have loaded different ones, that is named."""
    first, second = about("cf-1"), about("cf-2")
    told = evidence(replace(first, loaded={"psycopg": "3.2.0"}), second)
    assert answers(hung_night(), look(told=told))[1].answer != "No."
    told = evidence(replace(first, loaded={"psycopg": "3.2.0"}), replace(second, loaded={"psycopg": "3.1.9"}))
    assert answers(hung_night(), look(told=told))[1].evidence[0] == "psycopg: 3.2.0 in cf-1; 3.1.9 in cf-2"


@pytest.mark.fact("C5", "P1", "P2")
def test_servers_that_do_not_use_the_virtual_ip_are_blamed_and_not_the_move() -> None:
    """The second question names whose address it is, also of a host on which no server runs; the last, what is to be set."""
    cause = Cause("wrong_address", "a:19", "cf-1 and cf-2 connect to a:19")
    told = replace(
        evidence(about("cf-1", database="host=a port=19"), about("cf-2", database="host=a port=19")),
        hosts=(OwnAddress("database", "db-1", "a:19"),),
    )
    seen = Look(90_000.0, "asked", WhoWaits((), (Blamed(cause, 0, ("cf-1", "cf-2")),)), "", told)
    first, cluster, *_, prevention = answers(hung_night(), seen)
    assert (first.answer[:3], first.sure, first.evidence[-1]) == ("No.", "certain", cause.text)
    assert cluster.evidence[0] == "cf-1 connects to a:19, which is db-1's own, and not to the virtual IP at a:10"
    assert prevention.evidence[0].startswith("set the virtual IP as the database's address on cf-1, cf-2")


def test_a_night_in_which_service_did_not_stop_has_nothing_to_explain() -> None:
    """Whatever failed for a while."""
    cause, *_, detection, _ = answers(contained_night(), look(None))
    assert cause.answer == "Service did not stop, so there is nothing to explain."
    assert detection.answer == "Service did not stop."


def test_where_it_is_not_known_whether_service_stopped_nothing_is_certain() -> None:
    """As of a replay that was killed: neither why it stopped nor how that could have been seen."""
    night = contained_night()
    night.events = [event for event in night.events if event.event not in ("observed", "healed", "end")]
    cause, *_, detection, _ = answers(night)
    assert (cause.answer, cause.sure) == ("It is not known whether service stopped.", "not told")
    assert (detection.answer, detection.sure) == ("That is not told.", "not told")


def test_without_a_switchover_it_cannot_have_been_one() -> None:
    """Nor was there any maintenance."""
    night = hung_night()
    night.events = [event for event in night.events if event.event not in ("operation", "step")]
    cause, _, operators, *_ = answers(night, look())
    assert (cause.answer, operators.answer) == ("No: there was none.", "There was no maintenance.")


@pytest.mark.parametrize(
    ("night", "ended", "by_the_book"),
    [
        (moved(t_s=5.2, night_s=EVENING_S + 520.0, duration_s=4.2), "it ended at 22:08:40: the database runs on db-2, 20 s after", "Yes."),
        (moved(), "that it ended is not in the log", "That is not told: it did not come to its end."),
        (
            moved(t_s=5.2, night_s=EVENING_S + 520.0, duration_s=4.2, state="failed"),
            "it failed at 22:08:40: the database runs on db-2, 20 s after",
            "No, or it did not succeed.",
        ),
    ],
)
def test_a_switchover_that_was_under_way_when_service_stopped_is_no_switchover_that_was_not(
    night: NightBuilder, ended: str, by_the_book: str
) -> None:
    """It is told with when it began and what became of it, and the third question does not contradict the first."""
    cause, _, operators, *_ = answers(night, look(NO_ANSWER))
    assert (cause.answer, cause.sure) == ("It was under way when service stopped.", "likely")
    assert cause.evidence[:2] == ("it began at 22:01:40", "service stopped at 22:08:20, 6 min 40 s later")
    assert cause.evidence[2].startswith(ended)
    assert operators.answer == by_the_book


def test_a_switchover_after_service_had_stopped_did_not_cause_that() -> None:
    """Such as the one that mended it; that there was one is said all the same."""
    night = hung_night()
    night.events = [event for event in night.events if event.event not in ("operation", "step")]
    night.switchover(5.3)
    cause, *_ = answers(night, look())
    assert cause.answer == "No: it began only after service had stopped."
    assert cause.evidence[0] == "it began at 22:08:50, 30 s after service had stopped"


@pytest.mark.fact("P1", "P2")
@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        (evidence(), ""),
        (
            evidence(about("cf-1"), about("cf-2", database="host=a port=20")),
            "cf-2 connects to a:20, which is db-2's own, and not to the virtual IP at a:10",
        ),
        (evidence(address="a:99"), "virtual IP of database leads to a:20, where no database server was found"),
        (evidence(about("cf-1"), about("cf-2", psycopg="3.1")), "psycopg: 3.2 in cf-1; 3.1 in cf-2"),
        (evidence(about("cf-1"), about("cf-2", pool_size=4)), "pool_size: 40 in cf-1; 4 in cf-2"),
    ],
)
def test_a_cluster_is_wrong_where_one_of_it_is_not_as_the_others_or_goes_elsewhere(told: Evidence, wrong: str) -> None:
    """What is wrong is named; and that heartbeats are not told is always said."""
    _, cluster, *_ = answers(hung_night(), look(told=told))
    assert (cluster.answer == "No.") is bool(wrong)
    assert wrong in "; ".join(cluster.evidence)
    assert "heartbeats" in cluster.evidence[-1]


BOOKINGS = Route("virtual IP of bookings", "a:11", "a:30", listens=True)
HEARTBEATS = "heartbeats of the database hosts"
OF_BOOKINGS = "database server of bookings"
ELSEWHERE = (about("cf-1", database="host=a port=20"), about("cf-2", database="host=a port=21"))


@pytest.mark.fact("P1", "P2")
@pytest.mark.parametrize(
    ("told", "unseen"),
    [
        (evidence(*ELSEWHERE, routes=()), "where the virtual IP leads: nobody asked"),
        (replace(evidence(routes=()), missing=(Missing("virtual IP of database", "refused"),)), "virtual IP of database: refused"),
        (evidence(routes=(replace(VIRTUAL_IP, listens=False),)), "virtual IP of database at a:10: it takes no connections"),
        (evidence(about("cf-1")), "what cf-2 is: nobody asked"),
        (replace(evidence(about("cf-1")), missing=(Missing("what cf-2 is", "refused"),)), "what cf-2 is: refused"),
        (replace(evidence(), services=evidence().services[:-1]), "what partner is: nobody asked"),
        (evidence(about("cf-1"), about("cf-2", database="")), "which database cf-2 connects to: its settings name none"),
        (
            replace(evidence(routes=(VIRTUAL_IP, BOOKINGS)), missing=(Missing(OF_BOOKINGS, "no answer within 2 s", late=True),)),
            f"{OF_BOOKINGS}, to which virtual IP of bookings leads at a:30: no answer within 2 s",
        ),
        (
            replace(evidence(), missing=(Missing("heartbeats of the database hosts", "refused"),)),
            "heartbeats of the database hosts: refused",
        ),
        (replace(evidence(), databases=()), "database server of database, to which virtual IP of database leads at a:20: nobody asked"),
    ],
)
def test_a_cluster_of_which_something_was_not_seen_is_not_called_correct(told: Evidence, unseen: str) -> None:
    """Nor wrong; what was not seen is named, with why, and nothing is said of every server."""
    _, cluster, *_ = answers(hung_night(), look(told=told))
    assert (cluster.answer, cluster.sure) == ("That is not told: not all of it was seen.", "not told")
    assert cluster.evidence[0] == unseen
    assert not any("every application server" in text for text in cluster.evidence)
    assert any("they exchange no heartbeats" in text for text in cluster.evidence) is not unseen.startswith(HEARTBEATS)


@pytest.mark.parametrize(("port", "answer"), [("20", "No."), ("11", "That is not told: not all of it was seen.")])
def test_an_address_that_may_be_that_of_a_missing_virtual_ip_is_not_called_wrong(port: str, answer: str) -> None:
    """That of a host is none, whatever was not told."""
    servers = about("cf-1"), about("cf-2", database=f"host=a port={port}")
    told = replace(evidence(*servers), missing=(Missing(BOOKINGS.name, "no answer within 2 s", late=True),))
    assert answers(hung_night(), look(told=told))[1].answer == answer


def test_what_is_wrong_with_a_cluster_is_told_beside_what_was_not_seen() -> None:
    """One late answer hides no wrong address."""
    _, cluster, *_ = answers(hung_night(), look(told=evidence(about("cf-1", database="host=a port=20"))))
    assert (cluster.answer, cluster.sure) == ("No.", "certain")
    assert cluster.evidence[1] == "what cf-2 is: nobody asked"


def test_evidence_that_could_not_be_read_tells_nothing_of_the_cluster() -> None:
    """And that is why, not that nobody asked."""
    _, cluster, *_ = answers(hung_night(), replace(look(), unread="the evidence cannot be read"))
    assert (cluster.sure, cluster.evidence) == ("not told", ("the evidence cannot be read",))


APART = Heartbeats("db-1", "db-2", "heartbeats", 1.0, 3, 240, 2, 2.61)
COUNTS = "240 came, 2 missed, longest gap 2.61 s"


@pytest.mark.fact("P1", "P2")
@pytest.mark.parametrize(
    ("beats", "wrong"),
    [
        (replace(APART, take_over_after=1), ["too few heartbeats: db-2 takes over after 1 heartbeat missed in a row"]),
        (replace(APART, take_over_after=2), ["too few heartbeats: db-2 takes over after 2 heartbeats missed in a row"]),
        (replace(APART, link="database"), ["heartbeats go over the link database, with the service traffic"]),
        (replace(APART, link="database", take_over_after=1), ["too few heartbeats", "heartbeats go over the link database"]),
    ],
)
def test_heartbeats_that_are_too_few_or_share_the_service_network_are_named(beats: Heartbeats, wrong: list[str]) -> None:
    """Each with what was counted; what is right of the two is said as well."""
    _, cluster, *_ = answers(hung_night(), look(told=replace(evidence(), heartbeats=(beats,))))
    assert (cluster.answer, cluster.sure) == ("No.", "certain")
    assert [any(text.startswith(named) and text.endswith(COUNTS) for text in cluster.evidence) for named in wrong] == [True] * len(wrong)
    assert len(cluster.evidence) == 2
    assert not any("is not told" in text for text in cluster.evidence)


@pytest.mark.fact("P1", "P2")
def test_heartbeats_that_are_as_they_should_be_are_ruled_out_with_numbers() -> None:
    """How many came and may be missed, and that they have a link to themselves."""
    _, cluster, *_ = answers(hung_night(), look(told=replace(evidence(), heartbeats=(APART,))))
    assert cluster.answer == "Yes, as far as it was asked."
    assert "virtual IP of database at a:10 leads to a:20, which is db-2" in cluster.evidence
    assert cluster.evidence[-2:] == (
        f"db-2 takes over after 3 heartbeats missed in a row, one due every 1 s; {COUNTS}",
        "heartbeats go over the link heartbeats, and the service traffic over database",
    )


def test_where_nobody_told_of_the_service_network_heartbeats_are_not_said_to_be_apart() -> None:
    """Without a route to a database only their number is judged."""
    _, cluster, *_ = answers(hung_night(), look(told=replace(evidence(routes=()), heartbeats=(APART,))))
    assert not any("over the link" in text for text in cluster.evidence)


def of_cluster(night: NightBuilder, *ids: int) -> NightBuilder:
    """Let the cluster have ordered what has these numbers, after it had missed heartbeats."""
    missed = HeartbeatCount(
        **night.at(0.9), sender="db-1", watcher="db-2", link="heartbeats", received=240, missed=3, in_row=3, longest_gap_s=3.5
    )
    by_cluster = [
        replace(event, by="cluster", reason="db-2 heard nothing" if event.state == "begin" else "")
        if event.event == "operation" and event.id in ids
        else event
        for event in night.events
    ]
    night.events = [missed, *by_cluster]
    return night


@pytest.mark.fact("P1", "P2")
def test_a_switchover_that_the_cluster_ordered_is_told_from_an_operators() -> None:
    """With the cluster's own reason; the code is blamed as before, and no operator is."""
    cause, _, operators, *_ = answers(of_cluster(hung_night(), 1), look())
    assert (cause.answer[:3], cause.sure) == ("No.", "certain")
    assert cause.answer.endswith("No operator ordered the switchover: the cluster did.")
    assert any(seen.startswith("the cluster ordered it at ") and seen.endswith("db-2 heard nothing") for seen in cause.evidence)
    assert operators.answer == "There was no maintenance. No operator ordered the switchover: the cluster did."
    assert operators.sure == "certain"
    assert operators.evidence[0].endswith("db-2 heard nothing")
    assert not any("cluster" in answers(hung_night(), look())[number].answer for number in (0, 2))


def test_what_the_cluster_did_badly_is_not_the_operators_fault() -> None:
    """Their own switchover went by the book, and the cluster's failed."""
    night = hung_night()
    night.switchover(1.5, steps=2, state="failed", id_=7, hosts=("db-2", "db-1"))
    assert answers(night, look())[2].answer == "No, or it did not succeed."
    cause, _, operators, *_ = answers(of_cluster(night, 7), look())
    assert operators.answer == "Yes."
    assert cause.answer == "It failed, and service stopped after it. No operator ordered the switchover: the cluster did."


def test_a_switchover_that_failed_is_no_work_by_the_book() -> None:
    """And one whose steps are missing is not told."""
    night = hung_night()
    night.events = [
        replace(event, state="failed") if event.event == "operation" and event.state == "end" else event for event in night.events
    ]  # type: ignore[type-var]
    cause, _, operators, *_ = answers(night, look())
    assert (cause.answer, operators.answer) == ("It failed, and service stopped after it.", "No, or it did not succeed.")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("deadlock", "take what is held in one order everywhere"),
        ("retries", "let partner make fewer attempts"),
        ("exhausted", "read or close every answer that cf-1 gets"),
        ("no_answer", "wait only so long for what comes over partner"),
        ("full_queue", "wait only so long for partner, and send calls elsewhere"),
        ("frozen", "wait only so long for partner, and send calls elsewhere"),
        ("lock", "end transactions that hold a lock"),
        ("work", ""),
    ],
)
def test_what_would_mend_a_root_is_said_where_there_is_a_remedy(code: CauseCode, said: str) -> None:
    """Of a root that none is known for, nothing is claimed."""
    prevention = answers(hung_night(), Look(1.0, "hung", WhoWaits((), (Blamed(Cause(code, "partner", "it"), 4, ("cf-1",)),))))[-1]
    assert [text[: len(said)] for text in prevention.evidence] == ([said] if said else [])
    assert prevention.sure == ("likely" if said else "not told")


def test_heartbeats_that_moved_the_database_are_to_be_mended_too() -> None:
    """Beside the line that lost the connections."""
    prevention = answers(hung_night(), look(told=replace(evidence(), heartbeats=(replace(APART, take_over_after=1),))))[-1]
    assert [text.partition(" ")[0] for text in prevention.evidence] == ["mend", "miss"]


def test_what_would_have_warned_first_is_named_with_its_lead() -> None:
    """And what never rang, such as the health check."""
    *_, detection, _ = answers(hung_night(), look())
    assert detection.sure == "certain"
    assert detection.answer.endswith(" before.")
    assert "never rang: the health check" in detection.evidence[-1]


@pytest.mark.parametrize(("leaked_s", "sure"), [(4.0, "likely"), (1.5, "certain")])
def test_what_is_derived_is_likely_at_most(leaked_s: float, sure: str) -> None:
    """However many robots would have rung before it, the first alarm that was measured is named, too."""
    journal = hung_night().journal()
    judgement = judge.judge(journal)
    times = warning_time.of(journal, judgement)
    assert times.stop.at is not None
    rang = [("health_callers", leaked_s), *((f"robot_{number}", 2.0 + number / 10) for number in range(4))]
    alarms = tuple(
        replace(times.alarms[0], code=code, what=code, rang=Ring(replace(times.stop.at, t_s=t_s, night_s=EVENING_S + 100 * t_s), ""))
        for code, t_s in rang
    )
    detection = questions.of(journal, judgement, [look()], replace(times, alarms=alarms), None)[3]
    assert (detection.sure, detection.answer.endswith(" before.")) == (sure, True)
    assert [text.partition(":")[0] for text in detection.evidence if not text.endswith("(derived)")] == ["health_callers"]
    assert len(detection.evidence) == (4 if sure == "likely" else 3)


def test_an_alarm_that_came_after_service_had_stopped_is_no_warning() -> None:
    """It is named with how late it was; where none rang at all, that is said."""
    journal = hung_night().journal()
    judgement = judge.judge(journal)
    times = warning_time.of(journal, judgement)
    assert times.stop.at is not None
    late = Ring(replace(times.stop.at, t_s=times.stop.at.t_s + 1.0, night_s=times.stop.at.night_s + 120.0), "")

    def detection(rang: Ring | None) -> Answer:
        alarms = (replace(times.alarms[0], what="the first", rang=rang), *(replace(alarm, rang=None) for alarm in times.alarms[1:]))
        return list(questions.of(journal, judgement, [look()], replace(times, alarms=alarms), None))[3]

    assert detection(late).answer == "By nothing that was looked at: the first alarm came too late."
    assert detection(late).evidence[0] == "the first: 2 min 00 s after service had stopped"
    assert detection(None).answer == "By nothing that was looked at: no alarm rang."


def test_the_line_is_to_be_mended_and_the_kept_matrix_names_what_else_contains_it() -> None:
    """Without a matrix only the line; without either, nothing is claimed."""
    assert (
        answers(hung_night(), look(), contained_by=("fixed", "recycle"))[-1].answer == "The airline was not grounded over fixed, recycle."
    )
    assert answers(hung_night(), look(), contained_by=())[-1].answer == "No other variant that was measured keeps it."
    mended = answers(hung_night(), look())[-1]
    assert mended.evidence == ("mend lookup/original.py:24: check in what was taken, whatever raises",)
    assert mended.sure == "likely"


@pytest.mark.parametrize(
    ("contained_by", "answer"),
    [
        (("fixed", "original"), "The airline was not grounded over fixed."),
        (("original",), "No other variant that was measured keeps it."),
    ],
)
def test_the_variant_that_was_grounded_is_no_remedy_for_itself(contained_by: tuple[str, ...], answer: str) -> None:
    """That the kept matrix says something else of it is told."""
    prevention = answers(hung_night(), look(), contained_by=contained_by)[-1]
    assert prevention.answer == answer
    assert prevention.evidence[-1] == "the kept matrix says that over original it was not grounded, and here it was"


def test_the_matrix_is_not_contradicted_by_a_night_that_came_out_as_it_says() -> None:
    """One that hung and came back by itself; the variant of that night is left out all the same."""
    journal = hung_night().journal()
    judgement = judge.judge(journal)
    times = warning_time.of(journal, judgement)
    contained = replace(judgement, reason=replace(judgement.reason, outcome=Outcome.CONTAINED))
    prevention = questions.of(journal, contained, [look()], times, ("fixed", "original"))[-1]
    assert prevention.answer == "The airline was not grounded over fixed."
    assert not any("original it was" in seen for seen in prevention.evidence)


def test_where_service_did_not_stop_no_variant_is_praised_for_that() -> None:
    """There is nothing to keep from happening again; what would mend what was seen is told all the same."""
    prevention = answers(contained_night(), look(), contained_by=("fixed", "original"))[-1]
    assert (prevention.answer, prevention.sure) == ("Service did not stop.", "certain")
    assert prevention.evidence[1:] == ("mend lookup/original.py:24: check in what was taken, whatever raises",)


def test_callers_may_have_settings_of_their_own() -> None:
    """They are systems of their own: that they differ is told, and is no wrong configuration of the cluster."""
    told = evidence()
    callers = tuple(replace(each, settings={**each.settings, "retries": 10 * (each.service == "partner")}) for each in told.services)
    _, cluster, *_ = answers(hung_night(), look(told=replace(told, services=callers)))
    assert (cluster.answer, cluster.codes) == ("Yes, as far as it was asked.", ("correct",))
    assert cluster.evidence[-1] == "callers have settings of their own: retries: 0 in kiosk, ivr; 10 in partner"


PHYSICAL = about("cf-2", database="host=a port=20")


@pytest.mark.parametrize(
    ("night", "seen", "codes"),
    [
        (contained_night(), (look(None),), [("no_stop",), (), ("by_the_book",)]),
        (hung_night(), (look(),), [("no",), (), ("by_the_book",)]),
        (hung_night(), (look(NO_ANSWER),), [("no",), (), ("by_the_book",)]),
        (hung_night(), (), [(), (), ("by_the_book",)]),
        (moved(), (look(),), [("under_way",), (), ()]),
        (moved(), (look(UNSEEN),), [(), (), ()]),
        (moved(state="failed"), (look(),), [("failed",), (), ("not_by_the_book",)]),
        (hung_night(), (look(told=evidence()),), [("no",), ("correct",), ("by_the_book",)]),
        (hung_night(), (look(told=evidence(about("cf-1"), PHYSICAL)),), [("no",), ("address",), ("by_the_book",)]),
        (hung_night(), (look(told=evidence(address="a:99")),), [("no",), ("virtual_ip",), ("by_the_book",)]),
        (
            hung_night(),
            (look(told=evidence(about("cf-1"), about("cf-2", psycopg="3.1", pool_size=4))),),
            [("no",), ("package", "settings"), ("by_the_book",)],
        ),
        (
            hung_night(),
            (look(told=replace(evidence(), heartbeats=(replace(APART, link="database", take_over_after=1),))),),
            [("no",), ("few_heartbeats", "shared_heartbeats"), ("by_the_book",)],
        ),
    ],
)
def test_a_program_knows_by_codes_what_was_found(night: NightBuilder, seen: tuple[Look, ...], codes: list[tuple[str, ...]]) -> None:
    """Of the switchover, the cluster and the operators; where that is not told, there is none."""
    assert [answer.codes for answer in answers(night, *seen)[:3]] == codes


def test_without_any_switchover_there_is_neither_one_to_blame_nor_maintenance() -> None:
    """Its code is known also where it is not what did stop service."""
    night = hung_night()
    night.events = [event for event in night.events if event.event not in ("operation", "step")]
    assert [answers(night, *seen)[number].codes for seen in ((look(),), ()) for number in (0, 2)] == [("none",)] * 4
