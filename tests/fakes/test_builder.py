from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from testbed.errors import ArrayError, FacilityError, ServiceError, UsageError
from testbed.facility.address import Address
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.caller import FULL, LOCAL_S, OPEN
from testbed.fakes.database import FakeDatabase
from testbed.fakes.server import DEAD, NO_CONNECTION, NOT_MODELLED, REFUSED, TRIP_S, TRIPS
from testbed.fakes.service import LAST_WORDS, START_S, FakeService
from testbed.fakes.virtual_time import run
from testbed.journal.events import BreakerSample, Counts, PoolSample
from testbed.journal.evidence import About, PoolTable
from testbed.journal.thread_states import CHECKOUT, IDLE, SOCKET
from testbed.plan.settings import CallerSettings, FacilitySettings, ServerSettings, Settings
from testbed.plan.topology import FacilityPlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from testbed.facility.facility import Facility
    from testbed.journal.events import Sample

NEVER = "no answer in a minute"
PLAN = FacilityPlan(application_servers=1, request_threads=3, pool_size=2, callers=("kiosk", "partner"))


async def switch_over(builder: FakeBuilder) -> None:
    """Move the database to the other host."""
    database = builder.database
    new = database.standby
    await database.stop_server()
    await database.unmount(database.active)
    await database.mount(new)
    await builder.virtual_ip.point(await database.start_server(new))


def samples_after(
    do: Callable[[FakeBuilder, Facility], Awaitable[None]], server: ServerSettings | None = None, caller: CallerSettings | None = None
) -> dict[str, Sample]:
    """Run a function on a fake facility; return the last sample of every service."""
    samples: dict[str, Sample] = {}

    async def doing() -> None:
        builder = FakeBuilder(PLAN, Settings(application_server=server or ServerSettings(), caller=caller or CallerSettings()))
        facility = await builder.build()
        await do(builder, facility)
        async with facility.instruments.monitoring() as monitoring:
            for name in facility.services:
                samples[name] = await monitoring.read(name, facility.runtime.address(name), lambda: (1.0, 2.0))
        await builder.tear_down()

    run(doing())
    return samples


def pool(sample: Sample) -> tuple[int, int, int, int]:
    """Return the connections of a pool: in it, out of it, leaked; and how many requests wait for one."""
    assert sample.pool is not None
    return sample.pool.in_, sample.pool.out, sample.pool.leaked, sample.pool.waiting


def test_at_rest_every_connection_is_in_the_pool_and_every_thread_free() -> None:
    """Both clocks are those of the look."""

    async def nothing(_: FakeBuilder, __: Facility) -> None:
        assert asyncio.get_running_loop().time() == START_S

    samples = samples_after(nothing)
    assert samples["cf-1"].pool == PoolSample(size=2, in_=2, out=0, waiting=0, leaked=0)
    assert samples["kiosk"].pool is None
    assert [(sample.health, sample.request_threads, sample.busy, sample.waiting) for sample in samples.values()] == [(True, 3, 0, 0)] * 3
    assert (samples["cf-1"].t_s, samples["cf-1"].night_s) == (1.0, 2.0)


def test_a_transaction_that_needs_the_facility_asks_it_and_one_that_does_not_does_not() -> None:
    """A check-in is a lookup and a check-in; a boarding pass is printed by the kiosk itself."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        started = asyncio.get_running_loop().time()
        assert await builder.runtime.service("kiosk").ask("check_in") == ""
        assert asyncio.get_running_loop().time() - started == pytest.approx(2 * TRIPS * TRIP_S)
        assert await builder.runtime.service("kiosk").ask("reprint_boarding_pass") == ""
        assert asyncio.get_running_loop().time() - started == pytest.approx(2 * TRIPS * TRIP_S + LOCAL_S)

    samples = samples_after(ask)
    assert samples["cf-1"].results == {"check_in": Counts(1, 0), "lookup_by_city": Counts(1, 0)}
    assert samples["kiosk"].results == {"check_in": Counts(1, 0), "reprint_boarding_pass": Counts(1, 0)}


async def ask_after_switchover(builder: FakeBuilder, count: int) -> list[str]:
    """Switch over, and send `count` lookups, one after the other; return each answer, or `unanswered`."""
    await switch_over(builder)
    answers = []
    for _ in range(count):
        answer = builder.runtime.service("cf-1").ask("lookup_by_city")
        done, _ = await asyncio.wait([answer], timeout=60.0)
        answers.append(answer.result() if done else "unanswered")
    return answers


@pytest.mark.fact("O3", "O4", "S1")
@pytest.mark.parametrize(
    ("lookup", "answers", "left"),
    [("original", [DEAD, DEAD, "unanswered"], (0, 2, 2, 1)), ("fixed", [DEAD, DEAD, ""], (2, 0, 0, 0))],
)
def test_after_a_switchover_each_connection_costs_an_error_and_is_lost_or_replaced(
    lookup: str, answers: list[str], left: tuple[int, int, int, int]
) -> None:
    """In `original` the pool is empty after as many errors as it has connections; in `fixed` it is whole again."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        assert await ask_after_switchover(builder, 3) == answers

    assert pool(samples_after(ask, ServerSettings(lookup=lookup))["cf-1"]) == left  # type: ignore[arg-type]


def test_with_a_ping_before_it_is_lent_no_stale_connection_is_met() -> None:
    """The original's mistake is not met either."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        assert await ask_after_switchover(builder, 3) == ["", "", ""]

    assert pool(samples_after(ask, ServerSettings(pool_pre_ping=True))["cf-1"]) == (2, 0, 0, 0)


def test_a_pool_that_is_filled_as_needed_has_few_connections_that_can_go_stale() -> None:
    """With none open at the switchover, none is lost: what made the case is that the pool was full."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        assert await ask_after_switchover(builder, 3) == ["", "", ""]

    assert pool(samples_after(ask, ServerSettings(pool_fill=False))["cf-1"]) == (2, 0, 0, 0)


@pytest.mark.fact("A7")
def test_last_in_first_out_uses_one_connection_and_leaves_the_others_alone() -> None:
    """The one that failed is opened anew and lent again, so the other stale one is not met."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        assert await ask_after_switchover(builder, 4) == [DEAD, "", "", ""]

    samples_after(ask, ServerSettings(pool_lifo=True, lookup="fixed"))


@pytest.mark.fact("S2")
def test_a_checkout_that_waits_only_so_long_gives_its_thread_back() -> None:
    """An error in place of a hang, after the time that was set."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        assert await ask_after_switchover(builder, 4) == [DEAD, DEAD, NO_CONNECTION, NO_CONNECTION]

    sample = samples_after(ask, ServerSettings(pool_checkout_timeout_s=2.0))["cf-1"]
    assert (sample.busy, pool(sample)) == (0, (0, 2, 2, 0))


@pytest.mark.fact("S3")
def test_a_caller_that_waits_only_so_long_gives_its_thread_back_and_the_server_does_not() -> None:
    """The caller's time-out says nothing to the thread at the other end."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await ask_after_switchover(builder, 2)
        assert "not answered within 1.50 s" in await builder.runtime.service("partner").ask("search")

    samples = samples_after(ask, caller=CallerSettings(call_read_timeout_s=1.5))
    assert (samples["partner"].busy, samples["cf-1"].busy) == (0, 1)


@pytest.mark.fact("S3")
def test_a_deadline_is_of_all_attempts_of_a_call() -> None:
    """However many the retry would make, and whatever each of them waits."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await ask_after_switchover(builder, 2)
        error = await builder.runtime.service("partner").ask("search")
        assert error == "CallDeadlineExceeded: lookup_by_city was not answered within 1.50 s"

    patient = CallerSettings(call_deadline_s=1.5, call_read_timeout_s=1.0, retries=9)
    assert samples_after(ask, caller=patient)["partner"].busy == 0


@pytest.mark.parametrize(("row_work_ms", "leaked"), [(0, 0), (300, 1)])
def test_the_drivers_own_cursor_loses_a_connection_that_dies_between_rows_and_close(row_work_ms: int, leaked: int) -> None:
    """Only that one: a connection that was dead before is given back."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        under_way = builder.runtime.service("cf-1").ask("lookup_by_city")
        await asyncio.sleep(TRIPS * TRIP_S)
        await switch_over(builder)
        await under_way
        assert await builder.runtime.service("cf-1").ask("lookup_by_city") == DEAD

    assert pool(samples_after(ask, ServerSettings(lookup="driver_cursor", lookup_row_work_ms=row_work_ms))["cf-1"])[2] == leaked


def test_while_the_database_is_down_every_request_fails_and_nothing_is_lost_by_careful_ones() -> None:
    """A status gives its connection back, and gets another when the database is there again."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        server = builder.runtime.service("cf-1")
        await builder.database.stop_server()
        assert [await server.ask("flight_status") for _ in range(3)] == [DEAD] * 3
        await builder.database.start_server("db-1")
        assert await server.ask("flight_status") == ""

    assert pool(samples_after(ask)["cf-1"]) == (2, 0, 0, 0)


def test_latency_on_the_link_is_felt_at_every_trip() -> None:
    """Other toxics are noted and not felt."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await builder.virtual_ip.add_toxic("latency", {"latency": 250, "jitter": 0})
        await builder.virtual_ip.add_toxic("bandwidth", {"rate": 1})
        started = asyncio.get_running_loop().time()
        await builder.runtime.service("cf-1").ask("lookup_by_city")
        assert asyncio.get_running_loop().time() - started == pytest.approx(TRIPS * (TRIP_S + 0.25))

    samples_after(ask)


@pytest.mark.fact("O5", "O6")
def test_a_dump_shows_where_threads_are_blocked_and_which_are_idle() -> None:
    """Servers at the checkout, callers at the socket, each within the lookup; the rest of those that ever worked wait for work."""

    async def ask(builder: FakeBuilder, facility: Facility) -> None:
        kiosk = builder.runtime.service("kiosk")
        await asyncio.gather(*(kiosk.ask("reprint_boarding_pass") for _ in range(3)))
        await ask_after_switchover(builder, 2)
        for _ in range(2):
            kiosk.ask("check_in")
        await asyncio.sleep(1.0)
        groups = {name: await facility.instruments.dump(name, 1, Path("unused")) for name in ("cf-1", "kiosk", "partner")}
        dumped = {name: [(group.count, group.state, group.within) for group in of_service] for name, of_service in groups.items()}
        assert dumped == {
            "cf-1": [(2, CHECKOUT, "lookup_by_city")],
            "kiosk": [(2, SOCKET, "lookup_by_city"), (1, IDLE, "")],
            "partner": [],
        }

    samples_after(ask)


def asked_at_once(builder: FakeBuilder, ask: str, times: int) -> list[asyncio.Future[str]]:
    """Send the same request to the kiosk `times` times at once."""
    return [builder.runtime.service("kiosk").ask(ask) for _ in range(times)]


@pytest.mark.fact("S6")
def test_a_bulkhead_keeps_the_other_threads_of_a_caller_free() -> None:
    """With two places, two check-ins hang at the leaked pool, the third is refused at once, and a thread is left to reprint."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await ask_after_switchover(builder, 2)
        hanging = asked_at_once(builder, "check_in", 2)
        await asyncio.sleep(1.0)
        assert await builder.runtime.service("kiosk").ask("check_in") == FULL
        assert await builder.runtime.service("kiosk").ask("reprint_boarding_pass") == ""
        assert not any(answer.done() for answer in hanging)

    assert samples_after(ask, caller=CallerSettings(bulkhead_at=2))["kiosk"].busy == 2


@pytest.mark.parametrize(("retries", "error", "failed"), [(0, DEAD, 1), (1, DEAD, 2), (2, "", 2)])
def test_a_call_that_failed_is_made_again(retries: int, error: str, failed: int) -> None:
    """Two stale connections are two errors, and one caller with two retries gets past both, a second after the first."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await switch_over(builder)
        begun_s = asyncio.get_running_loop().time()
        assert await builder.runtime.service("partner").ask("search") == error
        assert asyncio.get_running_loop().time() - begun_s == pytest.approx(0.5 * retries, abs=0.1)

    results = samples_after(ask, ServerSettings(lookup="fixed"), CallerSettings(retries=retries, retry_wait_s=0.5))["cf-1"].results
    assert results["lookup_by_city"].failed == failed


def test_a_circuit_breaker_opens_after_failures_in_a_row_and_closes_by_an_answer() -> None:
    """Open, it ends the retries of the call that opened it, and calls nobody; after its time the next call decides."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await switch_over(builder)
        partner = builder.runtime.service("partner")
        assert [await partner.ask("search") for _ in range(3)] == [OPEN, OPEN, OPEN]
        await asyncio.sleep(1.0)
        assert [await partner.ask("search") for _ in range(2)] == [OPEN, OPEN]
        await asyncio.sleep(1.0)
        assert [await partner.ask("search") for _ in range(3)] == ["", "", ""]

    settings = CallerSettings(circuit_breaker_at=1, circuit_breaker_open_s=1.0, retries=1)
    assert samples_after(ask, ServerSettings(lookup="fixed"), settings)["cf-1"].results["lookup_by_city"] == Counts(3, 2)


def test_a_circuit_breaker_lets_one_trial_through() -> None:
    """Of ten searches when its time is over, the server gets one, whose failure opens it again; monitoring tells all of it."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await switch_over(builder)
        partner = builder.runtime.service("partner")
        assert await partner.ask("search") == DEAD
        await asyncio.sleep(1.0)
        answers = await asyncio.gather(*(partner.ask("search") for _ in range(10)))
        assert (answers.count(OPEN), answers.count(DEAD)) == (9, 1)

    samples = samples_after(ask, ServerSettings(lookup="fixed"), CallerSettings(circuit_breaker_at=1))
    assert samples["partner"].breaker == BreakerSample("open", opened=2, let_through=2, refused=9)
    assert samples["kiosk"].breaker == BreakerSample("closed", opened=0, let_through=0, refused=0)
    assert samples["cf-1"].breaker is None


def test_a_trial_that_hangs_keeps_all_others_out() -> None:
    """One thread hangs with it, and no other, for as long as it does."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await ask_after_switchover(builder, 1)
        assert await builder.runtime.service("kiosk").ask("check_in") == DEAD  # it takes the last connection
        await asyncio.sleep(1.0)
        trial = asked_at_once(builder, "check_in", 1)
        for _ in range(3):
            await asyncio.sleep(60.0)
            assert await builder.runtime.service("kiosk").ask("check_in") == OPEN
        assert not any(answer.done() for answer in trial)

    kiosk = samples_after(ask, caller=CallerSettings(circuit_breaker_at=1, circuit_breaker_open_s=0.1))["kiosk"]
    assert (kiosk.busy, kiosk.breaker) == (1, BreakerSample("half_open", opened=1, let_through=2, refused=3))


@pytest.mark.fact("O6")
def test_calls_that_hang_do_not_open_a_circuit_breaker() -> None:
    """They have not failed."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await ask_after_switchover(builder, 2)
        hanging = asked_at_once(builder, "check_in", 3)
        await asyncio.sleep(60.0)
        assert not any(answer.done() for answer in hanging)

    assert samples_after(ask, caller=CallerSettings(circuit_breaker_at=1))["kiosk"].busy == 3


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (Settings(caller=CallerSettings(cached_answers_s=60.0, decoupled=True)), "cached_answers_s, decoupled of a caller"),
        (Settings(application_server=ServerSettings(pool_recycle_s=60.0)), "pool_recycle_s of an application server"),
        (Settings(application_server=ServerSettings(handshaking=True)), "handshaking of an application server"),
        (
            Settings(application_server=ServerSettings(let_it_crash_s=0.5, governor_per_minute=1)),
            "let_it_crash_s, governor_per_minute of an application server",
        ),
    ],
)
def test_what_is_not_modelled_is_refused(settings: Settings, named: str) -> None:
    """A night that came out as if nothing had been set would be believed."""
    with pytest.raises(UsageError, match=f"do not model the settings {named}; replay"):
        FakeBuilder(PLAN, settings)


def test_every_setting_of_a_server_is_modelled_or_refused() -> None:
    """A setting that is new has to be put in one of the two lists."""
    modelled = {"lookup", "lookup_row_work_ms", "pool_checkout_timeout_s", "pool_pre_ping", "pool_lifo", "pool_fill"}
    modelled |= {"pool_leak_reclaim_s", "fail_fast", "shed_load_at"}
    assert modelled | set(NOT_MODELLED) == set(ServerSettings.model_fields)


def test_what_was_lost_is_taken_back_after_a_while_and_who_waits_goes_on() -> None:
    """Two lookups lose both connections; the third waits until the first of them is taken back."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        started = asyncio.get_running_loop().time()
        assert await ask_after_switchover(builder, 3) == [DEAD, DEAD, ""]
        assert asyncio.get_running_loop().time() - started > 5.0

    samples = samples_after(ask, ServerSettings(pool_leak_reclaim_s=5.0))
    assert samples["cf-1"].busy == 0


def test_a_server_that_fails_fast_leaves_nobody_waiting() -> None:
    """Three lookups at once over two connections: one is refused, and after those two failed so is whoever comes."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await switch_over(builder)
        assert await asyncio.gather(*(builder.runtime.service("cf-1").ask("lookup_by_city") for _ in range(3))) == [DEAD, DEAD, REFUSED]
        assert await builder.runtime.service("cf-1").ask("check_in") == REFUSED

    sample = samples_after(ask, ServerSettings(fail_fast=True))["cf-1"]
    assert (sample.busy, pool(sample), sample.results) == (0, (0, 2, 2, 0), {"lookup_by_city": Counts(0, 2)})


def test_a_server_that_sheds_load_lets_only_so_many_hang() -> None:
    """Two hang at the leaked pool, and the third is refused."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await ask_after_switchover(builder, 2)
        asked = [builder.runtime.service("cf-1").ask("check_in") for _ in range(3)]
        await asyncio.sleep(60.0)
        assert [answer.done() for answer in asked] == [False, False, True]
        assert asked[2].result() == REFUSED

    assert samples_after(ask, ServerSettings(shed_load_at=2))["cf-1"].busy == 2


def test_over_sqlalchemy_s_own_connection_the_first_call_pays_for_all() -> None:
    """One error, and no other stale connection is met."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        assert await ask_after_switchover(builder, 4) == [DEAD, "", "", ""]

    assert pool(samples_after(ask, ServerSettings(lookup="sqlalchemy_connection"))["cf-1"]) == (2, 0, 0, 0)


@pytest.mark.fact("S4")
def test_a_caller_calls_the_servers_of_its_group() -> None:
    """With one server for each of two callers, what the kiosk asks is no business of the partner's."""
    plan = FacilityPlan(application_servers=2, request_threads=3, pool_size=2, callers=("kiosk", "partner"))
    builder = FakeBuilder(plan, Settings(facility=FacilitySettings(service_groups=True)))

    async def ask() -> None:
        await builder.build()
        assert [await builder.runtime.service("kiosk").ask("check_in") for _ in range(3)] == [""] * 3
        results = [builder.runtime.service(name).sample(1.0, 2.0).results for name in plan.server_names]
        assert results == [{"check_in": Counts(3, 0), "lookup_by_city": Counts(3, 0)}, {}]
        await builder.tear_down()

    run(ask())


@pytest.mark.fact("S4")
@pytest.mark.parametrize(("groups", "other"), [("own_databases", [""] * 3), (True, [DEAD, DEAD, NEVER])])
def test_the_switchover_of_a_group_with_a_database_of_its_own_is_no_business_of_another(
    groups: Literal[True, "own_databases"], other: list[str]
) -> None:
    """Over one database the partner's pool of two is lost as well, and its third call waits for ever."""
    plan = FacilityPlan(application_servers=2, request_threads=3, pool_size=2, callers=("kiosk", "partner"))
    builder = FakeBuilder(plan, Settings(facility=FacilitySettings(service_groups=groups)))

    async def ask(caller: str, transaction: str) -> str:
        try:
            return await asyncio.wait_for(builder.runtime.service(caller).ask(transaction), 60)
        except TimeoutError:
            return NEVER

    async def ask_both() -> None:
        await builder.build()
        await switch_over(builder)
        assert [await ask("kiosk", "check_in") for _ in range(3)] == [DEAD, DEAD, NEVER]
        assert [await ask("partner", "search") for _ in range(3)] == other
        await builder.tear_down()

    run(ask_both())


@pytest.mark.fact("C5", "P2")
def test_who_is_configured_with_a_host_s_own_address_is_served_no_more_after_the_switchover() -> None:
    """Until the database is back on that host."""
    plan = FacilityPlan(application_servers=1, request_threads=3, pool_size=2, callers=("kiosk",))
    settings = Settings(application_server=ServerSettings(lookup="fixed"), facility=FacilitySettings(database_address="physical"))
    builder = FakeBuilder(plan, settings)

    async def ask() -> None:
        await builder.build()
        for answers in ([""] * 2, [DEAD] * 6, [""] * 2):
            assert [await builder.runtime.service("kiosk").ask("check_in") for _ in answers] == answers
            await switch_over(builder)
        await builder.tear_down()

    run(ask())


def test_requests_beyond_the_threads_wait_for_one() -> None:
    """Four at three threads, with no connection to be had."""

    async def ask(builder: FakeBuilder, _: Facility) -> None:
        await ask_after_switchover(builder, 2)
        for _ in range(4):
            builder.runtime.service("cf-1").ask("lookup_by_city")
        await asyncio.sleep(1.0)

    sample = samples_after(ask)["cf-1"]
    assert (sample.busy, sample.waiting, sample.is_full) == (3, 1, True)


@pytest.mark.fact("O9")
def test_whoever_waits_for_a_service_that_is_killed_gets_an_error() -> None:
    """That frees the callers; the service that is started in its place knows nothing of them."""

    async def ask(builder: FakeBuilder, facility: Facility) -> None:
        await ask_after_switchover(builder, 2)
        waiting = builder.runtime.service("kiosk").ask("check_in")
        await asyncio.sleep(1.0)
        await facility.restart("cf-1")
        assert await waiting == LAST_WORDS
        await facility.wait_ready(["cf-1"])
        assert await builder.runtime.service("kiosk").ask("check_in") == ""

    assert pool(samples_after(ask)["cf-1"]) == (2, 0, 0, 0)


def test_a_service_that_is_down_refuses_and_does_not_answer_its_monitoring() -> None:
    """Its sample has no numbers."""

    async def ask(builder: FakeBuilder, facility: Facility) -> None:
        await facility.kill("cf-1")
        assert await builder.runtime.service("partner").ask("search") == LAST_WORDS

    sample = samples_after(ask)["cf-1"]
    assert (sample.health, sample.busy, sample.pool, sample.results) == (False, None, None, {})


def test_the_runtime_tells_how_services_ended_and_gives_each_start_a_number() -> None:
    """By itself, by a stop, by a kill; while it runs, it has not ended."""

    async def end(builder: FakeBuilder, facility: Facility) -> None:
        runtime = builder.runtime
        first = await runtime.pid("cf-1")
        assert (first is not None, await runtime.exit("cf-1")) == (True, None)
        runtime.die("cf-1", 137)
        await runtime.stop("kiosk")
        await facility.kill("partner")
        codes = [(name, ended.code) for name in ("cf-1", "kiosk", "partner") if (ended := await runtime.exit(name))]
        assert codes == [("cf-1", 137), ("kiosk", 0), ("partner", -9)]
        assert await runtime.pid("cf-1") is None
        await facility.restart("cf-1")
        assert (await runtime.exit("cf-1"), await runtime.pid("cf-1") != first) == (None, True)
        with pytest.raises(ServiceError, match="no service ivr; there are cf-1, kiosk, load, partner"):
            runtime.service("ivr")

    samples_after(end)


def test_the_database_pair_refuses_what_the_real_one_refuses() -> None:
    """Two servers on one array, a server without the array, a stop of what does not run."""

    async def misuse() -> None:
        database = FakeDatabase()
        with pytest.raises(ArrayError, match="is mounted on db-1"):
            await database.mount("db-2")
        with pytest.raises(ArrayError, match="server running: True"):
            await database.unmount("db-1")
        await database.stop_server()
        with pytest.raises(FacilityError, match="no database server runs"):
            await database.stop_server()
        await database.unmount("db-1")
        with pytest.raises(ArrayError, match="not mounted on db-2"):
            await database.start_server("db-2")
        await database.mount("db-2")
        assert await database.start_server("db-2") == Address("db-2", 5432)
        assert (database.active, database.standby) == ("db-2", "db-1")
        await database.throw_away()
        assert not database.running

    run(misuse())


def test_a_fake_service_has_to_say_what_it_does() -> None:
    """The base has nothing to answer."""

    async def ask() -> None:
        with pytest.raises(NotImplementedError):
            await FakeService("x", 1).answer("anything")

    run(ask())


def test_the_parts_of_a_fake_facility_tell_what_they_are_and_who_has_their_connections() -> None:
    """As those of a real one do when it hangs; one that is dead does not answer."""
    asked: dict[str, object] = {}

    async def asking() -> None:
        builder = FakeBuilder(PLAN, Settings())
        facility = await builder.build()
        assert facility.questions.addresses() == {"cf-1": "cf-1:80", "kiosk": "kiosk:80", "partner": "partner:80"}
        await switch_over(builder)
        for _ in range(2):
            assert await builder.runtime.service("cf-1").ask("lookup_by_city") == DEAD
        asked.update({question.what: await question.ask() for question in facility.questions.all()})
        builder.runtime.die("cf-1")
        for question in facility.questions.all()[:2]:
            with pytest.raises(FacilityError, match="cf-1 does not answer"):
                await question.ask()

    run(asking())
    pool, kiosk = asked["pool of cf-1"], asked["what kiosk is"]
    assert isinstance(pool, PoolTable)
    assert isinstance(kiosk, About)
    assert (pool.size, pool.out, pool.leaked) == (2, 2, 2)
    assert [row.checked_out_at for row in pool.connections_out] == [("lookup/original.py:0 lookup_by_city",)] * 2
    assert kiosk.settings["flight_search_urls"] == ["http://cf-1:80"]
    assert set(asked) == {"pool of cf-1", "what cf-1 is", "what kiosk is", "what partner is"}
