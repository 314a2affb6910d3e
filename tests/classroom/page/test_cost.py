"""What the page costs the machine of who looks on: seconds of a processor for a minute of changes, ten times a second."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.browser import WIDE
from tests.classroom.page import played_night as night

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import Browser

FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Applies one set a frame, as they come over a connection: not slower, and never two in one frame.
APPLY = """
(async () => {
  for (const [, changes] of window.RECORDING.frames.slice(1)) {
    Classroom.apply(changes);
    await new Promise((done) => requestAnimationFrame(done));
  }
})()
"""
# Counts what is changed in the page while nothing new comes.
COUNT = """
(async () => {
  let changed = 0;
  const watch = new MutationObserver((found) => { changed += found.length; });
  watch.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  const state = JSON.parse(JSON.stringify(SAME));
  for (let each = 0; each < 10; each += 1) {
    Classroom.apply(state);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  }
  watch.disconnect();
  return changed;
})()
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of the recorded night."""
    return night.write(tmp_path_factory.mktemp("night"), night.recording())


def test_a_minute_of_changes_costs_little(running: Browser, path: Path) -> None:
    """Six hundred sets, each drawn, take 6 seconds of a processor at most; measured were 1.4 s, a fortieth of what they last."""
    running.size(WIDE)
    running.open(path)
    before_s = running.worked_s
    running.run(APPLY)
    worked_s = running.worked_s - before_s
    assert 0 < worked_s < 6


def test_what_is_the_same_touches_nothing(running: Browser, path: Path) -> None:
    """A service, the passengers and the clock that come again with the same values change no node of the page."""
    running.size(WIDE)
    running.open(path)
    running.run("(() => { const s = document.getElementById('slider'); s.value = 500; s.dispatchEvent(new Event('input')); })()")
    running.run(FRAMES)
    state = night.state(30.0)
    same = {
        key: value
        for key, value in state.items()
        if key.startswith(("services.", "passengers", "clock", "hosts.", "balancers.", "virtual_ip"))
    }
    assert len(same) > 10
    assert running.run(COUNT.replace("SAME", json.dumps(same))) == 0


def test_a_seek_is_instant(running: Browser, path: Path) -> None:
    """A hundred seeks to and fro, over the whole night, take 6 seconds of a processor at most; measured were 1.1 s."""
    running.size(WIDE)
    running.open(path)
    before_s = running.worked_s
    running.run("""
    (async () => {
      const slider = document.getElementById("slider");
      for (let each = 0; each < 100; each += 1) {
        slider.value = (each * 617) % 1000;
        slider.dispatchEvent(new Event("input"));
        await new Promise((done) => requestAnimationFrame(done));
      }
    })()
    """)
    worked_s = running.worked_s - before_s
    assert 0 < worked_s < 6
