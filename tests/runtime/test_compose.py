from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed import topology
from testbed.errors import UsageError
from testbed.runtime import dock, image
from testbed.runtime.dock import PLACED, ContainersBuilder, Dock

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose" / "compose.yaml").read_text(encoding="utf-8")
PLAN = topology.FacilityPlan()
GIVEN = [
    *topology.server_environment(PLAN, topology.ServerSettings(), "cf-1", ""),
    *topology.caller_environment(PLAN, topology.CallerSettings(), "kiosk", ()),
]


@pytest.mark.parametrize(("name", "default"), [pair for pair in GIVEN if pair[0] not in PLACED], ids=lambda value: str(value) or "never")
def test_every_setting_of_a_variant_reaches_the_containers_with_the_same_default(name: str, default: str) -> None:
    """What a service is given by its environment on processes, compose.yaml passes on, and sets as the code does where nothing is given."""
    found = re.search(rf"^  {name}: \$\{{{name}:-(.*?)\}}", COMPOSE, re.MULTILINE)
    assert found is not None
    assert found[1].lower() == default.lower()


def test_every_service_that_a_facility_needs_is_in_the_file() -> None:
    """The builder asks for no service that compose.yaml does not have."""
    services = set(re.findall(r"^  ([a-z0-9-]+):\n", COMPOSE.partition("\nservices:\n")[2].partition("\nnetworks:\n")[0], re.MULTILINE))
    servers = {f"cf-{number}" for number in range(1, dock.MOST_SERVERS + 1)}
    assert services == {*dock.AROUND, *servers, *topology.CALLERS, "load"}


@pytest.mark.fact("C5")
def test_published_ports_are_on_loopback_only_and_every_part_is_labelled() -> None:
    """Nobody outside this machine reaches the facility, and what is ours can be told from what is not."""
    ports = re.findall(r"ports: \[(.*?)\]", COMPOSE)
    assert len(ports) >= 6
    assert all(port.strip().strip('"').startswith("127.0.0.1::") for line in ports for port in line.split(","))
    assert all(re.search(rf"^  {volume}: \{{ labels: \*labels \}}", COMPOSE, re.MULTILINE) for volume in ("array", "recovery", "backups"))


@pytest.mark.fact("C3")
def test_the_application_servers_stand_in_different_racks() -> None:
    """One damaged rack does not take all of them."""
    racks = re.findall(r"org\.grounded-testbed\.rack: (\S+) ", COMPOSE)
    assert len(racks) == len(set(racks)) == dock.MOST_SERVERS


def test_more_servers_than_the_file_has_are_refused(tmp_path: Path) -> None:
    """With the number that was found and the one that is allowed."""
    with pytest.raises(UsageError, match=r"found 4; .* has 3, so at most that many are allowed"):
        ContainersBuilder(Dock(), topology.FacilityPlan(application_servers=4), topology.Settings())


def test_the_image_is_named_for_the_code_that_is_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another line of code is another name; the same code in another place is the same."""
    for part in image.CODE:
        path = tmp_path / part
        path.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            path.mkdir()
            (path / "code.py").write_text("1\n")
        else:
            path.write_text("1\n")
    monkeypatch.setattr(image, "PROJECT", tmp_path)
    first = image.name_for_code()
    assert first == image.name_for_code()
    (tmp_path / "testbed" / "code.py").write_text("2\n")
    assert image.name_for_code() != first
