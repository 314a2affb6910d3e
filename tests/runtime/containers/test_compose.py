from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from testbed.errors import UsageError
from testbed.plan.settings import CallerSettings, FacilitySettings, ServerSettings, Settings
from testbed.plan.topology import BALANCERS, CALLERS, HOSTS, FacilityPlan
from testbed.runtime.containers import builder, docker_cli, log_disks, project, services
from testbed.runtime.containers.backend import ContainersBackend
from testbed.runtime.credentials import AUTHENTICATION

COMPOSE = Path(__file__).parents[3] / "compose"
TEXT = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
SERVICES = TEXT.partition("\nservices:\n")[2].partition("\nnetworks:\n")[0]


@pytest.mark.parametrize(("prefix", "settings"), [("FLIGHT_SEARCH_", ServerSettings), ("CALLER_", CallerSettings)])
def test_what_a_variant_may_set_can_be_set_for_the_containers(prefix: str, settings: type[ServerSettings | CallerSettings]) -> None:
    """Each setting of a variant is a variable of the compose file under the service's own name, with the same default."""
    for name, field in settings.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        written = re.search(rf"^  {variable}: \$\{{{variable}:-(.*?)\}}", TEXT, re.MULTILINE)
        assert written is not None, variable
        default = str(field.default).lower() if isinstance(field.default, bool) else str("" if field.default is None else field.default)
        assert written[1] == default, variable


def test_every_published_port_is_this_machine_s_own() -> None:
    """Ports are published at 127.0.0.1 only, and at a free port, so that several facilities can run side by side."""
    published = [port for line in re.findall(r"^ +ports: \[(.*)\]", TEXT, re.MULTILINE) for port in re.findall(r'"(.*?)"', line)]
    assert len(published) >= 10
    assert [port for port in published if not re.fullmatch(r"127\.0\.0\.1::\d+", port)] == []


def test_every_part_of_the_facility_is_there() -> None:
    """The compose file has every role of the facility, under its name."""
    named = set(re.findall(r"^  ([a-z0-9-]+):$", SERVICES, re.MULTILINE))
    servers = {f"cf-{number}" for number in range(1, builder.MOST_SERVERS + 1)}
    around = {"db-1", "db-2", "dr", "off-site", "toxiproxy", "firewall", "lb-1", "lb-2", "lb-1-machine", "lb-2-machine", "load"}
    assert named == {*around, *servers, *CALLERS}
    assert {*project.STAYING, *BALANCERS} <= named  # what the builder asks for


def test_a_service_gives_its_password_to_no_server_that_does_not_know_it() -> None:
    """Every connection string, and whatever else is run in a container, asks for the proof."""
    strings = re.findall(r"^  FLIGHT_SEARCH_DATABASE: >-\n((?:    .*\n)+)", TEXT, re.MULTILINE)
    assert [f"require_auth={AUTHENTICATION}" in string.split() for string in strings] == [True]
    assert f" PGREQUIREAUTH={AUTHENTICATION} " in (COMPOSE / "Dockerfile").read_text(encoding="utf-8")


def test_a_balancer_s_address_outlives_it() -> None:
    """Each balancer runs in the network of a machine of its own, which has its name and ports: without HAProxy, connections are refused."""
    for balancer in BALANCERS:
        assert f"\n  {balancer}:\n    <<: *balancer\n    network_mode: service:{balancer}-machine\n" in SERVICES
        machine = SERVICES.partition(f"\n  {balancer}-machine:\n")[2].partition("\n\n")[0]
        assert "<<: *balancer-machine" in machine
        assert f"callers: {{ aliases: [{balancer}] }}" in machine


def test_a_balancer_is_probed_where_it_listens() -> None:
    """At the port at which it takes calls."""
    text = (COMPOSE / "haproxy.cfg").read_text(encoding="utf-8")
    bound = re.search(r"^frontend flight_search\n    bind :(\d+)", text, re.MULTILINE)
    assert bound is not None
    assert dict.fromkeys(BALANCERS, int(bound[1])) == services.BALANCER_PORTS


@pytest.mark.fact("W7")
def test_the_disk_that_takes_a_log_is_small_and_the_server_s_own() -> None:
    """The log is on a file system of its own, which belongs to the user that the server runs as."""
    assert f'tmpfs: ["{log_disks.DIRECTORY}:size=1m,mode=755,uid=801,gid=801"]' in TEXT
    assert f"FLIGHT_SEARCH_LOG_FILE: {log_disks.DIRECTORY}/errors.log\n" in TEXT
    assert "useradd --system --uid 801 --gid 801" in (COMPOSE / "Dockerfile").read_text(encoding="utf-8")


def test_no_two_application_servers_share_a_rack() -> None:
    """As in the case (C3)."""
    racks = re.findall(rf"{docker_cli.LABEL}\.rack: (\S+)", SERVICES)
    assert len(racks) == len(set(racks)) == 3


def test_all_that_is_made_is_labelled_ours() -> None:
    """Containers, networks and volumes carry user and run, by which they are found again; no container has a fixed name."""
    for label in (docker_cli.USER_LABEL, docker_cli.RUN_LABEL):
        assert f"  {label}: ${{TESTBED_" in TEXT
    tail = TEXT.partition("\nnetworks:\n")[2]
    assert re.findall(r"^  ([a-z-]+): \{ labels: \*labels \}(?: #.*)?$", tail, re.MULTILINE) == [
        *("callers", "servers", "database", "heartbeats"),
        *("array", "recovery", "backups", "credentials", "service-credentials"),
    ]
    roles = re.findall(r"^(?:x-[a-z-]+|  [a-z0-9-]+): ?(?:&[a-z-]+)?\n(?=  +<<: )(.*?)(?=^\S|^  \S|\Z)", SERVICES, re.MULTILINE | re.DOTALL)
    assert len(roles) == 17
    assert all("<<: *" in role for role in roles)
    assert "container_name" not in TEXT


@pytest.mark.fact("P2")
def test_each_database_host_has_a_name_on_either_network_that_heartbeats_may_take() -> None:
    """The name is that of the host and the link, for every link that a variant may choose; no other service is on their own network."""
    links = get_args(FacilitySettings.model_fields["heartbeat_link"].annotation)
    assert set(links) == {"database", "heartbeats"}
    for host in HOSTS:
        told = SERVICES.partition(f"\n  {host}:\n")[2].partition("\n\n")[0]
        for link in links:
            assert f"{link}: {{ aliases: [{services.heartbeats_of(host, link).partition(':')[0]}] }}" in told
    assert SERVICES.count("heartbeats: {") == len(HOSTS)
    assert re.findall(r"networks: \[.*heartbeats.*\]", TEXT) == []


def test_a_database_host_may_narrow_its_own_network_and_no_other() -> None:
    """The command is there and can be run; what it needs, only the pair may do."""
    command = COMPOSE / "commands" / "narrow"
    assert command.stat().st_mode & 0o111
    assert "iproute2" in (COMPOSE / "Dockerfile").read_text(encoding="utf-8")
    assert "cap_add: [NET_ADMIN]" in TEXT.partition("x-pair-host: &pair-host\n")[2].partition("\n\n")[0]
    assert SERVICES.count("<<: *pair-host\n") == len(HOSTS)


def test_files_that_containers_mount_exist() -> None:
    """Every file that the compose file mounts is beside it."""
    mounted = set(re.findall(r'"\./([^:"]+):', TEXT))
    assert mounted == {"haproxy.cfg", "firewall.nft", "pg_hba.conf", "toxiproxy.json"}
    assert [name for name in mounted if not (COMPOSE / name).is_file()] == []


def test_the_array_s_stage_copies_all_that_makes_the_array(tmp_path: Path) -> None:
    """Only that, so that a change of anything else makes no new array; a missing file would show up minutes into the build."""
    stage = (COMPOSE / "Dockerfile").read_text(encoding="utf-8").partition(" AS array\n")[2].partition("\nFROM ")[0]
    for line in re.findall(r"^COPY (.+)$", stage, re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            found = COMPOSE.parent / source.removeprefix("source/")
            to = tmp_path / target.removeprefix("/opt/project/")
            if found.is_dir():
                shutil.copytree(found, to)
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, to)
    (module,) = re.findall(r" -m (\S+) /opt/array", stage)
    program = f"import {module} as made, flight_search.seed_data as data; print(made.__file__, data.__file__)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert all(path.startswith(str(tmp_path)) for path in ran.stdout.split())


def test_balancers_have_no_limit_that_the_case_s_did_not_have() -> None:
    """An answer may take longer than any night: the limits of both sides are days (O6)."""
    text = (COMPOSE / "haproxy.cfg").read_text(encoding="utf-8")
    assert re.findall(r"^    timeout (?:client|server) (\S+)", text.partition("frontend statistics")[0], re.MULTILINE) == ["24d", "24d"]


def test_more_servers_than_the_file_has_are_refused() -> None:
    """With the number that was found and the number that is allowed."""
    with pytest.raises(UsageError, match=r"found 4; .* has 3, so at most that many are allowed"):
        ContainersBackend().builder(FacilityPlan(application_servers=4), Settings())


def test_a_caller_with_settings_of_its_own_is_refused() -> None:
    """The file gives all callers the same, and the other runtime each its own."""
    with pytest.raises(UsageError, match=r"gives all callers the same settings, .* with --runtime processes only"):
        ContainersBackend().builder(FacilityPlan(), Settings(facility=FacilitySettings(only_caller="kiosk")))


def test_groups_with_databases_of_their_own_are_refused() -> None:
    """The file has one pair of database hosts, and the other runtime can have more."""
    settings = Settings(facility=FacilitySettings(service_groups="own_databases"))
    with pytest.raises(UsageError, match=r"one pair of database hosts, .* with --runtime processes only"):
        ContainersBackend().builder(FacilityPlan(), settings)


def test_a_host_s_own_address_is_refused() -> None:
    """No network leads there from an application server, and on the other runtime one does (P2)."""
    settings = Settings(facility=FacilitySettings(database_address="physical"))
    with pytest.raises(UsageError, match=r'found "physical"; .* no network .* with --runtime processes only'):
        ContainersBackend().builder(FacilityPlan(), settings)


def test_another_driver_on_one_server_is_refused() -> None:
    """All services are of one image (P2)."""
    settings = Settings(facility=FacilitySettings(other_psycopg="3.0.5"))
    with pytest.raises(UsageError, match=r'found "3.0.5"; .* one image, .* with --runtime processes only'):
        ContainersBackend().builder(FacilityPlan(), settings)
