from __future__ import annotations

import ipaddress
import socket

import pytest

from testbed.classroom.web import addresses
from testbed.classroom.web.addresses import Addresses
from testbed.errors import UsageError


@pytest.mark.parametrize(("host", "kind"), [("0.0.0.0", 4), ("0", 4), ("::", 6)])  # noqa: S104 - shown, and not listened at
def test_whoever_listens_everywhere_shows_an_address_of_the_kind_that_is_listened_at(host: str, kind: int) -> None:
    """A page of the other kind would not open: what listens at `::` takes no IPv4."""
    if kind == 6 and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    shown = addresses.shown(host)
    if shown != socket.gethostname():  # it reaches nobody
        assert ipaddress.ip_address(shown).version == kind


@pytest.mark.parametrize(
    "host", ["255.255.255.255", "224.0.0.1", "ff02::1", "192.0.2.1", "no.such.host.invalid", "127.0.0.1:8040", "", "x\0y"]
)
def test_a_host_at_which_nobody_can_reach_us_is_refused(host: str) -> None:
    """The system would let us listen at an address of many machines, and no browser ever came."""
    with pytest.raises(UsageError, match=r"allowed: a name or address of this machine|give another --port, or an address of this machine"):
        addresses.listen(host, None)


@pytest.mark.parametrize(
    ("host", "begin"), [("127.0.0.1", "http://127.0.0.1:1/"), ("::1", "http://[::1]:1/"), ("localhost", "http://localhost:1/")]
)
def test_an_address_is_one_that_a_browser_opens(host: str, begin: str) -> None:
    """With brackets around IPv6, and a name as it was given."""
    assert Addresses(host, 1).of_class.startswith(begin)
