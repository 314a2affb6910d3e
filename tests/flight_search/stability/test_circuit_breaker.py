from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING

import circuitbreaker
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flight_search.callers.app import create_app
from flight_search.stability.call import Call, FacilityAnswer, FacilityFailed, FacilityTimedOut, NoSuchFlight
from flight_search.stability.circuit_breaker import CircuitBreaker, CircuitOpen
from tests.flight_search.fake_facility import BODY, FOUND, PASSENGER, fails, look_up, serve_app
from tests.flight_search.services import WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from flight_search.callers.remote import RemoteFlightSearch
    from tests.flight_search.fake_facility import FakeFacility

OPEN_S = 0.5


def fail(flights: RemoteFlightSearch, times: int) -> None:
    """Make a number of calls that fail."""
    for _ in range(times):
        fails(partial(look_up, flights))


@pytest.mark.variant("circuit_breaker")
@pytest.mark.fact("S10")
def test_after_its_number_of_failures_in_a_row_no_call_is_sent(facility: FakeFacility) -> None:
    """Of five calls, whatever their operation, the facility gets three; the others raise CircuitOpen with the reason."""
    facility.do = "fail"
    flights = facility.stub(circuit_breaker_at=3)
    fail(flights, 3)
    with pytest.raises(CircuitOpen, match=r"lookup_by_city: not called, .* 1\.00 s after 3 failed calls in a row; the last: .*503"):
        look_up(flights)
    with pytest.raises(CircuitOpen):
        flights.check_in(PASSENGER)
    assert len(facility.asked) == 3


@pytest.mark.parametrize("between", ["answer", "refuse"])
def test_an_answer_in_between_resets_the_count(facility: FakeFacility, between: str) -> None:
    """An answer resets the count of failures, and so does NoSuchFlight: the facility works."""
    flights = facility.stub(circuit_breaker_at=3)
    for _ in range(3):
        facility.do = "fail"
        fail(flights, 2)
        facility.do = between
        try:
            look_up(flights)
        except NoSuchFlight:
            assert between == "refuse"
    assert len(facility.asked) == 9


@pytest.mark.fact("O6")
def test_calls_that_hang_never_open_it(facility: FakeFacility) -> None:
    """While four calls hang at a breaker that opens after one failure, the next call is sent and answered, without waiting for them."""
    flights = facility.stub(circuit_breaker_at=1)
    with facility.hanging(*[partial(look_up, flights)] * 4):
        facility.do = "answer"
        assert look_up(flights) == FOUND
        assert facility.asked == ["GET /flights"] * 5


@pytest.mark.variant("circuit_breaker_call_timeout")
@pytest.mark.fact("S3")
def test_with_a_time_out_calls_that_hang_open_it(facility: FakeFacility) -> None:
    """A call that times out counts as failed, and two of them open a breaker that opens at two."""
    facility.do = "hang"
    flights = facility.stub(circuit_breaker_at=2, call_read_timeout_s=0.05)
    for _ in range(2):
        with pytest.raises(FacilityTimedOut):
            look_up(flights)
    with pytest.raises(CircuitOpen):
        look_up(flights)
    assert len(facility.asked) == 2


class Clock:
    """The breaker's clock, which a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s

    def pass_open_time(self) -> None:
        """Go on to where the breaker is half open."""
        self.now_s += OPEN_S


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put the breaker's clock into the test's hand."""
    clock = Clock()
    monkeypatch.setattr(circuitbreaker, "monotonic", clock)
    return clock


def test_after_its_time_a_failure_opens_it_again_and_an_answer_closes_it(facility: FakeFacility, clock: Clock) -> None:
    """It stays open for `open_s`; then a trial decides: its failure opens it for as long again, its answer closes it."""
    facility.do = "fail"
    flights = facility.stub(circuit_breaker_at=3, circuit_breaker_open_s=OPEN_S)
    fail(flights, 3)
    clock.now_s += 0.4
    with pytest.raises(CircuitOpen):
        look_up(flights)
    clock.now_s += 0.2
    fail(flights, 1)
    assert len(facility.asked) == 4
    clock.now_s += 0.4
    with pytest.raises(CircuitOpen):
        look_up(flights)
    clock.now_s += 0.2
    facility.do = "answer"
    look_up(flights)
    facility.do = "fail"
    fail(flights, 2)
    assert len(facility.asked) == 7


@pytest.mark.variant("circuit_breaker")
@pytest.mark.fact("S10")
def test_when_its_time_is_over_one_of_ten_threads_goes_through(facility: FakeFacility, clock: Clock) -> None:
    """Of ten calls at once the facility gets one; while that hangs, the others are refused, however much time goes by."""
    facility.do = "fail"
    flights = facility.stub(circuit_breaker_at=3, circuit_breaker_open_s=OPEN_S)
    fail(flights, 3)
    clock.pass_open_time()
    facility.do = "hang"
    at_once = threading.Barrier(10)

    def call() -> object:
        at_once.wait(WITHIN_S)
        return look_up(flights)

    with ThreadPoolExecutor(10) as threads:
        calls = {threads.submit(call) for _ in range(10)}
        refused: set[Future[object]] = set()
        while len(refused) < 9:
            done, _ = wait(calls - refused, WITHIN_S, FIRST_COMPLETED)
            assert done
            refused |= done
        assert {type(call.exception()) for call in refused} == {CircuitOpen}
        clock.now_s += 3600.0
        with pytest.raises(CircuitOpen, match=r"waits for its trial call after 3 failed calls in a row; the last: .*503"):
            look_up(flights)
        facility.wait_asked(4)
        assert len(facility.asked) == 4
        facility.released.set()
        (trial,) = calls - refused
        assert isinstance(trial.exception(WITHIN_S), FacilityFailed)
    with pytest.raises(CircuitOpen, match="is open for"):
        look_up(flights)


class HeldCalls:
    """In the stub's place: each call ends, from its own thread, when and as the test says."""

    def __init__(self) -> None:
        self._sent: dict[str, tuple[threading.Event, Future[None]]] = {}

    def __call__(self, call: Call) -> FacilityAnswer:
        """Send a call: wait for its end."""
        sent, end = self._sent[call.operation]
        sent.set()
        end.result(WITHIN_S)
        return FacilityAnswer({})

    def begin(self, breaker: CircuitBreaker, name: str) -> threading.Thread:
        """Make a call from a thread, and return when it has been sent."""
        sent = threading.Event()
        self._sent[name] = sent, Future()
        thread = threading.Thread(target=ended, args=(breaker, name))
        thread.start()
        assert sent.wait(WITHIN_S)
        return thread

    def end(self, name: str, thread: threading.Thread, error: Exception | None = None) -> None:
        """End a call, and return when the breaker has counted it."""
        _, end = self._sent[name]
        end.set_result(None) if error is None else end.set_exception(error)
        thread.join(WITHIN_S)
        assert not thread.is_alive()

    def make(self, breaker: CircuitBreaker, error: Exception | None = None) -> None:
        """Make a call that ends at once."""
        self.end("short", self.begin(breaker, "short"), error)


def ended(breaker: CircuitBreaker, name: str) -> Exception | None:
    """Make a call; return how it failed."""
    try:
        breaker(Call(name, "/"))
    except (FacilityFailed, ValueError) as error:
        return error
    return None


def counts(breaker: CircuitBreaker) -> tuple[str, float, float, float]:
    """Return its metrics: the state, times opened, calls let through, calls refused."""
    states, opened, calls = breaker.collect()
    (state,) = (sample.labels["state"] for sample in states.samples if sample.value == 1.0)
    by_result = {sample.labels["result"]: sample.value for sample in calls.samples}
    return state, opened.samples[0].value, by_result["let_through"], by_result["refused"]


FAILURE = FacilityFailed("no")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("late", [None, FAILURE])
def test_a_call_that_was_sent_before_it_opened_does_not_close_it(late: FacilityFailed | None) -> None:
    """However it ends, the breaker stays open, and opens no second time."""
    held = HeldCalls()
    breaker = CircuitBreaker(held, 2, OPEN_S)
    slow = held.begin(breaker, "slow")
    held.make(breaker, FAILURE)
    held.make(breaker, FAILURE)
    held.end("slow", slow, late)
    assert isinstance(ended(breaker, "next"), CircuitOpen)
    assert counts(breaker) == ("open", 1, 3, 1)


@pytest.mark.parametrize("late", [None, FAILURE])
def test_a_late_end_is_not_taken_for_that_of_the_trial(clock: Clock, late: FacilityFailed | None) -> None:
    """While the trial is under way the others stay out; its own failure then opens the breaker for all of `open_s`."""
    held = HeldCalls()
    breaker = CircuitBreaker(held, 1, OPEN_S)
    slow = held.begin(breaker, "slow")
    held.make(breaker, FAILURE)
    clock.pass_open_time()
    trial = held.begin(breaker, "trial")
    held.end("slow", slow, late)
    assert isinstance(ended(breaker, "next"), CircuitOpen)
    assert counts(breaker) == ("half_open", 1, 3, 1)
    held.end("trial", trial, FAILURE)
    assert counts(breaker) == ("open", 2, 3, 1)


def test_a_late_failure_counts_not_even_when_it_is_closed_again(clock: Clock) -> None:
    """A call that was sent before the breaker opened, and fails after a trial has closed it, is none of its failures in a row."""
    held = HeldCalls()
    breaker = CircuitBreaker(held, 1, OPEN_S)
    slow = held.begin(breaker, "slow")
    held.make(breaker, FAILURE)
    clock.pass_open_time()
    held.make(breaker)
    held.end("slow", slow, FAILURE)
    assert counts(breaker) == ("closed", 1, 3, 0)


def test_a_trial_ends_by_any_exception(clock: Clock) -> None:
    """One that is no failure of the facility closes the breaker, as it resets its count, and the next call goes through."""
    held = HeldCalls()
    breaker = CircuitBreaker(held, 1, OPEN_S)
    held.make(breaker, FAILURE)
    clock.pass_open_time()
    held.make(breaker, ValueError("no JSON"))
    held.make(breaker)
    assert counts(breaker) == ("closed", 1, 3, 0)


SLOW_S = 2.0


@pytest.mark.variant("circuit_breaker_slow_call")
@pytest.mark.fact("O6", "S10")
def test_calls_that_hang_open_it_while_they_hang(clock: Clock) -> None:
    """Two that are out for as long as is allowed open a breaker that opens at two, and none of them has ended."""
    held = HeldCalls()
    breaker = CircuitBreaker(held, 2, OPEN_S, SLOW_S, clock)
    hanging = [held.begin(breaker, name) for name in ("one", "two")]
    clock.now_s += SLOW_S - 0.1
    held.make(breaker)
    assert counts(breaker) == ("closed", 0, 3, 0)
    clock.now_s += 0.1
    assert counts(breaker) == ("open", 1, 3, 0)
    error = ended(breaker, "next")
    assert isinstance(error, CircuitOpen)
    assert "2 failed calls in a row; the last: not answered within 2.00 s" in str(error)
    assert all(thread.is_alive() for thread in hanging)
    for name, thread in zip(("one", "two"), hanging, strict=True):
        held.end(name, thread)
    assert counts(breaker) == ("open", 1, 3, 1)


@pytest.mark.parametrize("late", [None, FAILURE])
def test_a_call_that_hung_counts_once_whatever_it_then_returns(clock: Clock, late: FacilityFailed | None) -> None:
    """Its answer does not reset the count, and its failure is no second one."""
    held = HeldCalls()
    breaker = CircuitBreaker(held, 2, OPEN_S, SLOW_S, clock)
    slow = held.begin(breaker, "slow")
    clock.now_s += SLOW_S
    held.end("slow", slow, late)
    assert counts(breaker) == ("closed", 0, 1, 0)
    held.make(breaker, FAILURE)
    assert counts(breaker) == ("open", 1, 2, 0)


def test_an_answer_in_between_resets_the_count_of_calls_that_hang(clock: Clock) -> None:
    """Each of them counts once, and so a facility that answers some is not given up for an old one."""
    held = HeldCalls()
    breaker = CircuitBreaker(held, 2, OPEN_S, SLOW_S, clock)
    slow = held.begin(breaker, "slow")
    clock.now_s += SLOW_S
    held.make(breaker)
    held.make(breaker, FAILURE)
    assert counts(breaker) == ("closed", 0, 3, 0)
    held.end("slow", slow)


def test_a_trial_that_hangs_is_followed_by_one_other(clock: Clock) -> None:
    """It opens the breaker again when it is out for too long; after the open time the next one may find that the facility answers."""
    held = HeldCalls()
    breaker = CircuitBreaker(held, 1, OPEN_S, SLOW_S, clock)
    held.make(breaker, FAILURE)
    clock.pass_open_time()
    first = held.begin(breaker, "first")
    clock.now_s += SLOW_S
    assert isinstance(ended(breaker, "next"), CircuitOpen)
    assert counts(breaker) == ("open", 2, 2, 1)
    clock.pass_open_time()
    second = held.begin(breaker, "second")
    assert isinstance(ended(breaker, "next"), CircuitOpen)
    held.end("first", first)
    assert counts(breaker) == ("half_open", 2, 3, 2)
    held.end("second", second)
    assert counts(breaker) == ("closed", 2, 3, 2)


def test_calls_that_hang_in_the_facility_keep_threads_free(facility: FakeFacility) -> None:
    """Of a caller's calls over real sockets, the first two hang, and the third is refused at once."""
    flights = facility.stub(circuit_breaker_at=2, circuit_breaker_open_s=60.0, circuit_breaker_slow_call_s=0.1)
    with facility.hanging(*[partial(look_up, flights)] * 2):
        threading.Event().wait(0.1)
        with pytest.raises(CircuitOpen, match="not answered within"):
            look_up(flights)
        assert len(facility.asked) == 2


def test_no_call_is_lost_of_many_threads() -> None:
    """Of calls from eight threads at once, half of which fail, each is either sent or refused, and counted as that."""
    sent: list[Call] = []  # appending is atomic

    def send(call: Call) -> FacilityAnswer:
        sent.append(call)
        if call.path == "/odd":
            raise FAILURE
        return FacilityAnswer({})

    breaker = CircuitBreaker(send, 2, 0.0001)
    at_once = threading.Barrier(8)

    def make_calls() -> int:
        at_once.wait(WITHIN_S)
        refused = 0
        for number in range(500):
            try:
                breaker(Call("any", "/odd" if number // 5 % 2 else "/even"))
            except CircuitOpen:
                refused += 1
            except FacilityFailed:
                pass
        return refused

    with ThreadPoolExecutor(8) as threads:
        refused = sum(call.result(WITHIN_S) for call in [threads.submit(make_calls) for _ in range(8)])
    _, opened, let_through, counted = counts(breaker)
    assert (let_through, counted) == (len(sent), refused)
    assert let_through + counted == 4000
    assert opened > 0


def breaker_metrics(caller: httpx.Client) -> dict[str, float]:
    """Return the metrics of a caller's breaker, by name and label."""
    families = text_string_to_metric_families(caller.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples if sample.name.startswith("circuit_breaker"))
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


def states(now: str) -> Iterator[tuple[str, float]]:
    """Yield the metric of each state."""
    return ((f"circuit_breaker_state {state}", float(state == now)) for state in ("closed", "open", "half_open"))


def test_a_callers_metrics_tell_of_its_breaker(facility: FakeFacility, clock: Clock) -> None:
    """Its state, and how often it opened, let a call through and refused one."""
    facility.do = "fail"
    with serve_app(create_app(facility.settings(circuit_breaker_at=3, circuit_breaker_open_s=OPEN_S))) as caller:
        closed = breaker_metrics(caller)
        for _ in range(5):
            caller.post("/transactions/check_in", json=BODY)
        opened = breaker_metrics(caller)
        clock.pass_open_time()
        half_open = breaker_metrics(caller)
    names = ("circuit_breaker_opened_total", "circuit_breaker_calls_total let_through", "circuit_breaker_calls_total refused")
    for metrics, state, numbers in ((closed, "closed", (0, 0, 0)), (opened, "open", (1, 3, 2)), (half_open, "half_open", (1, 3, 2))):
        assert metrics == {**dict(states(state)), **dict(zip(names, numbers, strict=True))}


def test_a_caller_without_a_breaker_tells_nothing_of_one(facility: FakeFacility) -> None:
    """Not even zeros."""
    with serve_app(create_app(facility.settings())) as caller:
        assert breaker_metrics(caller) == {}
