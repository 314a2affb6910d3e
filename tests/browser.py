"""A browser for tests: Debian's Chromium without a window, driven over its DevTools protocol.

The protocol goes through two pipes (`--remote-debugging-pipe`), which needs no library, no driver and no port.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WITHIN_S = 60.0
WIDE, NARROW = 1_280, 390  # of a laptop and of a telephone, pixels
OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",  # what it asks for by itself would be taken for requests of the page
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "about:blank",
)

# What ends outside of the window, or holds a text that is wider than itself. What only a screen reader sees stands apart.
CUT_OFF = """
[...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect(), drawn = element.closest("svg");
  if (!box.width || element.closest(".skip, thead") || (drawn && !["svg", "text"].includes(element.tagName))) return false;
  const hides = !drawn && getComputedStyle(element).overflow !== "visible";
  return box.right > innerWidth + 1 || box.left < -1 || (hides && element.scrollWidth > element.clientWidth + 1);
}).map((element) => `${element.tagName} ${element.textContent.slice(0, 60)}`)
"""
# Draws what is further down, too, and returns how many charts there are.
ALL = """
window.dispatchEvent(new Event("beforeprint"));
window.dispatchEvent(new Event("afterprint"));
document.querySelectorAll(".chart svg").length
"""


def program() -> str | None:
    """Return the path of an installed browser; None if there is none. None is ever downloaded."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


def required_program() -> str:
    """Return the path of an installed browser; without any, skip the test, or fail where one is required, as in CI."""
    found = program()
    if found is None:
        reason = f"NO BROWSER: {', '.join(PROGRAMS)}: none of them is installed; apt-get install chromium"
        if "browser" in os.environ.get("TESTBED_REQUIRE", ""):
            pytest.fail(f"TESTBED_REQUIRE=browser, but {reason}", pytrace=False)
        pytest.skip(reason)
    return found


class Browser:
    """A running browser with one page; everything that it says is kept in `events`."""

    def __init__(self, path: str, profile: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # As root, as in CI, Chromium runs only without its sandbox; the pages are our own.
        options = [*OPTIONS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        script = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", path, *options],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._unread = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __enter__(self) -> Self:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Performance.enable", timeDomain="threadTicks")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._session = None
        with suppress(OSError, RuntimeError):  # it has ended already
            self.call("Browser.close")  # in order: after a signal, its helpers would still write to the profile
        try:
            self._process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; raises RuntimeError with the browser's words if it fails."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **({"sessionId": self._session} if self._session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._next(WITHIN_S)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self, within_s: float) -> dict[str, Any]:
        """Return the next message, which is kept if it is an event."""
        until_s = time.monotonic() + within_s
        while b"\0" not in self._unread:
            if not select.select([self._in], [], [], max(0.0, until_s - time.monotonic()))[0]:
                raise TimeoutError(f"the browser said nothing for {within_s:.0f} s")
            read = os.read(self._in, 1 << 16)
            if not read:
                raise RuntimeError(f"the browser has ended, with {self._process.poll()}")
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded; events of the page before it are forgotten."""
        self.open_address(path.as_uri())

    def open_address(self, address: str) -> None:
        """Open what a server has, in the same way."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        while not any(name == "Page.loadEventFired" for name, _ in self.events):
            self._next(WITHIN_S)
        # Two frames later everything that is near has been drawn.
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script: str) -> Any:
        """Run a script in the page, wait for its promise, and return its value; raises RuntimeError if it throws."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", str(found["exceptionDetails"])))
        return found["result"].get("value")

    @property
    def worked_s(self) -> float:
        """For how many seconds of a processor the page has worked since it was opened: who else works on the machine does not count."""
        metrics = self.call("Performance.getMetrics")["metrics"]
        return sum(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    def size(self, width: int, height: int = 900, scale: float = 1) -> None:
        """Make the window as wide as a screen; `scale`: how many pixels the screen has for each of the page."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def media(self, *, media: str = "", **features: str) -> None:
        """Pretend a medium (`print`), and features such as `prefers_color_scheme="dark"`."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", media=media, features=wanted)

    def press(self, key: str, code: int) -> None:
        """Press a key and let it go."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
            named = {"text": text} if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **named)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save what is seen, or the whole page, as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))

    def pdf(self) -> bytes:
        """Print the page."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    @property
    def complaints(self) -> list[str]:
        """What the page wrote to its console, what it threw, and what the browser logged of it: refused requests, too."""
        kinds = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
        return [json.dumps(params) for name, params in self.events if name in kinds]

    @property
    def requests(self) -> list[str]:
        """The addresses that were asked for."""
        return [params["request"]["url"] for name, params in self.events if name == "Network.requestWillBeSent"]


def wait_for(browser: Browser, script: str) -> None:
    """Wait until something is so in the page, at most 20 s."""
    until_s = time.monotonic() + 20
    while not browser.run(script):
        assert time.monotonic() < until_s, f"not seen within 20 s: {script}"
