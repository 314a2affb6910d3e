from __future__ import annotations

from typing import get_args

import pytest

from flight_search import settings as service
from flight_search.callers.transaction import transactions_of
from testbed.plan.settings import CallerSettings, FacilitySettings, ServerSettings
from testbed.plan.topology import (
    CALLERS,
    TRANSACTIONS,
    FacilityPlan,
    caller_environment,
    databases_of,
    integration_points,
    server_environment,
    servers_of,
)

PLAN = FacilityPlan(application_servers=3, request_threads=7, pool_size=5)


@pytest.mark.parametrize("caller", CALLERS)
def test_what_a_caller_can_be_asked_is_what_it_offers(caller: str) -> None:
    """The workload's list of a caller's transactions, and which need the facility, is the caller's own."""
    assert TRANSACTIONS[caller] == {offered.name: offered.needs_facility for offered in transactions_of(caller)}


@pytest.mark.parametrize(("ours", "theirs"), [(ServerSettings, service.ServerSettings), (CallerSettings, service.CallerSettings)])
def test_what_a_variant_may_set_is_what_the_service_reads(
    ours: type[ServerSettings | CallerSettings], theirs: type[service.ListenSettings]
) -> None:
    """Each setting has the service's name and the service's default, so an empty variant changes nothing."""
    assert set(ours.model_fields) <= set(theirs.model_fields)
    assert {name: field.default for name, field in ours.model_fields.items()} == {
        name: theirs.model_fields[name].default for name in ours.model_fields
    }


def test_every_lookup_of_the_service_can_be_chosen() -> None:
    """A variant may name every lookup there is, and no other."""
    assert get_args(ServerSettings.model_fields["lookup"].annotation) == get_args(service.Lookup)


def test_an_application_server_reads_the_environment_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a variant sets arrives in the service as it was meant; a time that never comes arrives as none."""
    chosen = ServerSettings(lookup="fixed", pool_checkout_timeout_s=1.5, pool_lifo=True, pool_max_overflow=-1)
    for name, value in server_environment(PLAN, chosen, "cf-3", "host=127.0.0.1"):
        monkeypatch.setenv(name, value.replace("{fd}", "7"))
    read = service.from_environment(service.ServerSettings)
    assert (read.name, read.database, read.listen_fd, read.request_threads, read.pool_size) == ("cf-3", "host=127.0.0.1", 7, 7, 5)
    assert {name: getattr(read, name) for name in ServerSettings.model_fields} == chosen.model_dump()


def test_a_caller_reads_the_environment_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application servers come in their order; a call without a time-out has none."""
    chosen = CallerSettings(call_connect_timeout_s=0.5)
    for name, value in caller_environment(PLAN, chosen, "ivr", ("http://127.0.0.1:1", "http://127.0.0.1:2")):
        monkeypatch.setenv(name, value.replace("{fd}", "7"))
    read = service.from_environment(service.CallerSettings)
    assert (read.name, read.flight_search_urls) == ("ivr", ("http://127.0.0.1:1", "http://127.0.0.1:2"))
    assert (read.request_threads, read.call_connect_timeout_s, read.call_read_timeout_s) == (7, 0.5, None)


def test_application_servers_are_named_by_number() -> None:
    """Three application servers are cf-1 to cf-3."""
    assert PLAN.server_names == ("cf-1", "cf-2", "cf-3")


@pytest.mark.variant("service_groups")
@pytest.mark.fact("S4")
@pytest.mark.parametrize(
    ("servers", "callers", "groups"),
    [
        (1, CALLERS, {"kiosk": ("cf-1",), "ivr": ("cf-1",), "partner": ("cf-1",)}),
        (2, CALLERS, {"kiosk": ("cf-1",), "ivr": ("cf-2",), "partner": ("cf-2",)}),
        (4, CALLERS, {"kiosk": ("cf-1", "cf-4"), "ivr": ("cf-2",), "partner": ("cf-3",)}),
        (3, ("ivr", "kiosk"), {"ivr": ("cf-1", "cf-3"), "kiosk": ("cf-2",)}),
    ],
)
def test_service_groups_divide_the_servers_among_the_callers(
    servers: int, callers: tuple[str, ...], groups: dict[str, tuple[str, ...]]
) -> None:
    """Every server is in one group, every caller has one, and callers share a group only where servers are too few."""
    plan = FacilityPlan.model_validate({"application_servers": servers, "callers": callers})
    assert servers_of(plan, FacilitySettings(service_groups=True)) == groups
    assert set(servers_of(plan, FacilitySettings()).values()) == {plan.server_names}


@pytest.mark.fact("S4")
def test_each_group_has_a_database_of_its_own_where_that_is_chosen() -> None:
    """Otherwise all servers share one, in groups or not; the callers' groups are the same, and each database is on the map."""
    plan = FacilityPlan(application_servers=3, callers=("kiosk", "ivr"))
    apart, groups = FacilitySettings(service_groups="own_databases"), FacilitySettings(service_groups=True)
    assert servers_of(plan, apart) == servers_of(plan, groups) == {"kiosk": ("cf-1", "cf-3"), "ivr": ("cf-2",)}
    assert databases_of(plan, apart) == {"database": ("cf-1", "cf-3"), "database-2": ("cf-2",)}
    assert databases_of(plan, groups) == databases_of(plan, FacilitySettings()) == {"database": ("cf-1", "cf-2", "cf-3")}
    links = {point.link: point.who for point in integration_points(plan, apart)}
    assert (links["database"], links["database-2"]) == (("cf-1", "cf-3"), ("cf-2",))


def test_the_map_has_the_link_of_the_heartbeats_where_there_are_any() -> None:
    """It leads to the host that sends them from the one that watches; no other plan has it."""
    watched = FacilityPlan(application_servers=1, callers=("kiosk",), heartbeat_every_s=1.0)
    assert watched.link_names == ("database", "cf-1", "kiosk", "heartbeats")
    assert [(point.link, point.who) for point in integration_points(watched, FacilitySettings())][-1] == ("heartbeats", ("db-2",))
    assert "heartbeats" not in PLAN.link_names
