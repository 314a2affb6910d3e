// The slider over a recorded night: play, pause, speeds, moments to jump to, and the reveal.
"use strict";
(() => {
  const { el, by, text, setText, setHidden, setAttribute, nightText, recording } = Classroom;
  const SPEEDS = [0.5, 1, 2, 5, 10];
  const PARTS = 1000; // steps of the slider
  let t_s = 0, playing = false, before_ms = null, speed = 1, moments = [];

  const place = (at_s) => (recording.to_s() > recording.from_s() ? (at_s - recording.from_s()) / (recording.to_s() - recording.from_s()) : 0);
  const show = () => {
    recording.goTo(t_s);
    const night = Classroom.get("clock")?.night_s;
    by("slider").value = Math.round(place(t_s) * PARTS);
    setAttribute(by("slider"), "aria-valuetext", text("slider.at", { time: nightText(night), seconds: Math.round(t_s) }));
    setText(by("slider-time"), text("slider.time", { time: nightText(night), seconds: Math.round(t_s), of: Math.round(recording.to_s()) }));
    const now = moments.filter((each) => each.moment.t_s <= t_s + 1e-6).at(-1);
    for (const each of moments) setAttribute(each.button, "aria-current", each === now ? "true" : null);
  };
  const seek = (at_s) => {
    t_s = Math.max(recording.from_s(), Math.min(recording.to_s(), at_s));
    show();
  };

  const frame = (now_ms) => {
    if (!playing) return;
    if (before_ms !== null) seek(t_s + (now_ms - before_ms) / 1000 * speed);
    before_ms = now_ms;
    if (t_s >= recording.to_s()) play(false);
    else requestAnimationFrame(frame);
  };
  const play = (on) => {
    playing = on;
    before_ms = null;
    setText(by("slider-play"), text(on ? "slider.pause" : "slider.play"));
    if (!on) return;
    if (t_s >= recording.to_s()) t_s = recording.from_s();
    requestAnimationFrame(frame);
  };
  document.addEventListener("visibilitychange", () => { before_ms = null; }); // the night waits for who looks elsewhere

  // The moment before or after now.
  const jump = (step) => {
    const times = moments.map((each) => each.moment.t_s), next = step > 0 ? times.find((each) => each > t_s + 1e-6) : times.findLast((each) => each < t_s - 1e-6);
    if (next !== undefined) seek(next);
  };

  const make = () => {
    moments = (window.RECORDING.moments ?? []).map((moment) => ({
      moment, button: el("button", { type: "button", class: "way", onclick: () => seek(moment.t_s) }, el("span", { class: "when" }, nightText(moment.night_s)), " ", Classroom.said(moment.text)),
    }));
    by("moments-list").replaceChildren(...moments.map(({ button }) => el("li", {}, button)));
    setHidden(by("moments"), !moments.length);
    by("slider-ticks").replaceChildren(...moments.map(({ moment }) => {
      const tick = el("span", { class: "tick" });
      tick.style.left = `${place(moment.t_s) * 100}%`;
      return tick;
    }));
    const slider = by("slider");
    slider.max = PARTS;
    slider.oninput = () => seek(recording.from_s() + slider.value / PARTS * (recording.to_s() - recording.from_s()));
    by("slider-play").onclick = () => play(!playing);
    by("slider-before").onclick = () => jump(-1);
    by("slider-after").onclick = () => jump(1);
    by("slider-speed").replaceChildren(...SPEEDS.map((each) => el("option", { value: each, selected: each === 1 }, text("slider.times", { speed: each }))));
    by("slider-speed").onchange = () => { speed = Number(by("slider-speed").value); };
    by("slider-reveal").onclick = () => {
      recording.reveal(!recording.isRevealed());
      setText(by("slider-reveal"), text(recording.isRevealed() ? "slider.hide" : "slider.reveal"));
    };
    setText(by("slider-play"), text("slider.play"));
    setText(by("slider-reveal"), text("slider.reveal"));
    setHidden(by("recorded"), false);
  };

  Classroom.openRecording = () => {
    recording.take(window.RECORDING);
    Classroom.begin(window.RECORDING.welcome);
    make();
    seek(recording.from_s());
  };
})();
