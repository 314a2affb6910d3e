// A recorded night: the state at any second, from frame 0 and the changes after it; what is blamed is held back until it is revealed.
"use strict";
(() => {
  const KEYFRAME = 200; // frames between two whole states in memory
  const HELD_BACK = ["revealed", "score", "answers.", "compared.", "replays."];
  let frames = [], keyframes = [], last = {}, at = -1, revealed = false;

  const merge = (state, changes) => {
    for (const key of Object.keys(changes)) {
      if (changes[key] === null) delete state[key];
      else state[key] = changes[key];
    }
    return state;
  };
  const heldBack = (key) => HELD_BACK.some((each) => (each.endsWith(".") ? key.startsWith(each) : key === each));

  // What is shown for a value of a frame.
  const shown = (key, value) => {
    if (value === null || value === undefined) return value;
    if (heldBack(key)) return revealed ? value : null;
    if (revealed) return key === "waits" && last.waits?.night_s === value.night_s ? last.waits : value;
    if (key.startsWith("log.") && value.kind === "fault") return null;
    if (key.startsWith("services.") && value.pool) return { ...value, pool: { ...value.pool, leaked: null } };
    if (key === "waits" && value.graph) return { ...value, graph: { ...value.graph, nodes: value.graph.nodes.map((node) => ({ ...node, blamed: [], root: false })) } };
    return value;
  };
  const allShown = (state) => Object.fromEntries(Object.entries(state).map(([key, value]) => [key, shown(key, value)]));

  const take = (recording) => {
    frames = recording.frames;
    keyframes = [];
    const state = {};
    frames.forEach(([, changes], number) => {
      merge(state, changes);
      if (number % KEYFRAME === 0) keyframes.push({ ...state });
    });
    last = state;
  };

  // The last frame at or before a time; the first one if there is none.
  const frameAt = (t_s) => {
    let low = 0, high = frames.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (frames[middle][0] <= t_s) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const stateAt = (number) => {
    const state = { ...keyframes[Math.floor(number / KEYFRAME)] };
    for (let each = number - (number % KEYFRAME) + 1; each <= number; each += 1) merge(state, frames[each][1]);
    return state;
  };

  // After the reveal, what was found in the end is shown at every time.
  const whole = (number) => {
    const state = allShown(stateAt(number));
    if (revealed) for (const key of Object.keys(last)) if (heldBack(key)) state[key] = last[key];
    return state;
  };

  const goTo = (t_s) => {
    const number = frameAt(t_s);
    if (number === at) return;
    if (at >= 0 && number > at && number - at < KEYFRAME) {
      const changes = {};
      for (let each = at + 1; each <= number; each += 1) Object.assign(changes, frames[each][1]);
      const visible = allShown(changes);
      if (revealed) for (const key of Object.keys(visible)) if (heldBack(key)) delete visible[key]; // they stand already
      Classroom.apply(visible);
    } else Classroom.replace(whole(number));
    at = number;
  };

  const reveal = (on) => {
    revealed = on;
    if (at >= 0) Classroom.replace(whole(at));
  };

  Classroom.recording = {
    take, goTo, reveal, isRevealed: () => revealed, from_s: () => frames[0][0], to_s: () => frames.at(-1)[0], nightAt: (t_s) => stateAt(frameAt(t_s)).clock?.night_s,
  };
})();
