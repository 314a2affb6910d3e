from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from testbed.faultproxy.server import serve

COMMAND = (sys.executable, "-m", "testbed.faultproxy", "-host=127.0.0.1", "-port=0")


def test_the_server_begins_with_the_proxies_of_a_file(tmp_path: Path) -> None:
    """Started with Toxiproxy's own options, the server has the proxies of its file when it answers."""
    config = tmp_path / "toxiproxy.json"
    config.write_text(json.dumps([{"name": "virtual-ip", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "enabled": True}]))
    with subprocess.Popen([*COMMAND, f"-config={config}"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        proxies = requests.get(f"http://{address}/proxies", timeout=10).json()
        server.terminate()
    assert list(proxies) == ["virtual-ip"]
    assert proxies["virtual-ip"]["enabled"]


def test_half_of_a_character_in_a_file_is_replaced(tmp_path: Path) -> None:
    """As in a request: what was made can be listed and deleted."""
    config = tmp_path / "toxiproxy.json"
    config.write_text(r'[{"name": "a\ud800", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}]')
    with subprocess.Popen([*COMMAND, f"-config={config}"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        names = list(requests.get(f"http://{address}/proxies", timeout=10).json())
        deleted = requests.delete(f"http://{address}/proxies/a%EF%BF%BD", timeout=10).status_code
        server.terminate()
    assert (names, deleted) == (["a\ufffd"], 204)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/zero", "it is a device; allowed: a regular file"),
        ("{here}/pipe", "it is a named pipe; allowed: a regular file"),
        ("{here}/large", "it has 4,194,305 bytes; allowed: at most 4,194,304"),
        ("{here}", "Is a directory"),
    ],
)
def test_what_is_no_file_of_proxies_is_not_read(tmp_path: Path, capfd: pytest.CaptureFixture[str], path: str, reason: str) -> None:
    """Nothing is waited for, nothing read without end: one line names it and what is allowed."""
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("w") as large:
        large.truncate(4 * 2**20 + 1)
    config = Path(path.format(here=tmp_path))
    assert serve("127.0.0.1", 0, config=config) == 2
    assert capfd.readouterr() == ("", f"the fault proxy cannot read its proxies in {config}: {reason}\n")


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (None, 2, "No such file"),
        ("no JSON", 2, "Expecting value"),
        ("[" * 100_000, 2, "recursion"),
        ('{"name": "x"}', 2, "an array of proxies is wanted"),
        ('[{"name": "x"}]', 2, "missing required field: upstream at proxy 1"),
        (
            '[{"name": "x", "upstream": "127.0.0.1:1", "toxics": [{"type": "x"}]}]',
            2,
            '[0].toxics[0].type (toxic "x_downstream" of proxy "x"): invalid toxic type; found "x"',
        ),
        (
            '[{"name": "x", "upstream": "127.0.0.1:1", "listen": "127.0.0.1"}]',
            3,
            "x: listen tcp: address 127.0.0.1: missing port in address",
        ),
    ],
)
def test_a_wrong_file_ends_the_server(tmp_path: Path, content: str | None, code: int, reason: str) -> None:
    """With one line that names the file and what is wrong, before it serves anybody or as soon as a proxy cannot be made."""
    config = tmp_path / "toxiproxy.json"
    if content is not None:
        config.write_text(content)
    done = subprocess.run([*COMMAND, f"-config={config}"], capture_output=True, text=True, timeout=20, check=False)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, str(config) in line) == (code, True)
    assert reason in line
