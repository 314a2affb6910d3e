// The trainer's panel: the night begins, pauses, goes on, steps; its speed; the reveal and the end; and what to ask when.
"use strict";
(() => {
  const { el, by, text, word, said, setHidden, setText, setClass, nightText, when, button, replyLine, allow, ask, select } = Classroom;
  const FACTORS = [0.25, 0.5, 1, 2, 5, 10, 20, 50, 100];
  const buttons = {};
  let notes = [], current;

  const sure = (what, detail) => async () => ((await ask(text(what), [text(detail)], [{ value: true, text: text("orders.yes"), class: "grave" }])) ? {} : null);

  // A lesson that shows what it shall at some speeds alone says why.
  const showBounds = (bounds) => {
    setHidden(by("trainer-bounds"), !bounds);
    if (!bounds) return;
    const [slowest, fastest] = [String(bounds.slowest), String(bounds.fastest)];
    by("trainer-bounds").replaceChildren(text(slowest === fastest ? "trainer.bound" : "trainer.bounds", { slowest, fastest }), said(bounds.why));
  };

  const wordsOf = (note) => [
    Number.isFinite(note.night_s) ? when(note.night_s) : el("span", { class: "when" }, note.when ? text("trainer.when", { what: word("conditions", note.when) }) : text("trainer.any_time")),
    " ", said(note.text),
  ];

  const make = (welcome) => {
    const line = replyLine();
    const bounds = welcome.speed, factors = FACTORS.filter((factor) => !bounds || (factor >= bounds.slowest && factor <= bounds.fastest));
    const speed = select(text("trainer.speed"), factors.map((factor) => [factor, text("trainer.factor", { factor: String(factor) })]), "trainer-speed");
    speed.field.value = "1";
    Object.assign(buttons, {
      begin: button(text("trainer.begin"), "begin", { line, class: "first" }),
      pause: button(text("trainer.pause"), "pause", { line }),
      go_on: button(text("trainer.go_on"), "go_on", { line }),
      step: button(text("trainer.step"), "step", { line }),
      speed: button(text("trainer.set_speed"), "speed", { line, fields: () => ({ factor: Number(speed.field.value) }) }),
      reveal: button(text("trainer.reveal"), "reveal", { line, fields: sure("trainer.reveal", "trainer.reveal_what") }),
      end: button(text("trainer.end"), "end", { line, class: "grave", fields: sure("trainer.end", "trainer.end_what") }),
    });
    for (const one of [speed.row, buttons.speed]) setHidden(one, factors.length < 2);
    showBounds(bounds);
    const { begin, pause, go_on: goOn, step, reveal, end } = buttons;
    by("trainer-controls").replaceChildren(
      el("div", { class: "buttons" }, begin, pause, goOn, step, speed.row, buttons.speed, reveal, end, line));
    setHidden(by("trainer-address"), !welcome.class_address);
    setText(by("trainer-class"), welcome.class_address ?? "");
    by("trainer-page").replaceChildren(...Classroom.paragraphs(welcome.trainer));
    setHidden(by("trainer-page-box"), !welcome.trainer);
    notes = (welcome.notes ?? []).map((note) => ({
      note,
      line: el("li", {}, ...wordsOf(note)),
    }));
    by("trainer-notes").replaceChildren(...notes.map((each) => each.line));
    for (const id of ["trainer-note", "trainer-notes-box"]) setHidden(by(id), !notes.length);
    current = undefined;
  };

  // The note that became due last stands open, by what the server tells; else by the night's clock alone.
  const dueNotes = (state) => {
    if (Array.isArray(state.notes_due)) return state.notes_due.map((number) => notes[number]).filter(Boolean);
    return notes.filter(({ note }) => Number.isFinite(note.night_s) && note.night_s <= (state.clock?.night_s ?? -1));
  };
  const showNotes = (state) => {
    const due = dueNotes(state), now = due.at(-1) ?? null, before = due.at(-2);
    for (const each of notes) {
      setClass(each.line, "due", each === now);
      setClass(each.line, "past", each !== now && due.includes(each));
    }
    if (now === current) return;
    current = now;
    by("trainer-note-text").replaceChildren(...(now ? wordsOf(now.note) : [text("trainer.no_note")]));
    // Two may come within seconds, and nobody has asked the first by then.
    setHidden(by("trainer-note-before"), !before);
    by("trainer-note-before").replaceChildren(...(before ? [text("trainer.before"), ...wordsOf(before.note)] : []));
  };

  let minute = "";
  Classroom.show({
    keys: ["me", "phase", "clock", "notes_due", "revealed"],
    start: (welcome) => { if (welcome.mode === "live" && welcome.you.trainer) make(welcome); },
    update: (keys, state) => {
      setHidden(by("trainer"), !Classroom.isTrainer());
      if (!Classroom.isTrainer()) return;
      if (keys.includes("me") || keys.includes("phase")) {
        allow(buttons.begin, state.phase === "ready");
        for (const name of ["pause", "go_on", "step", "speed"]) allow(buttons[name], state.phase === "night");
        allow(buttons.end, state.phase === "ready" || state.phase === "night");
      }
      allow(buttons.reveal, state.phase !== "building" && state.phase !== "gone" && !state.revealed);
      const now = nightText(state.clock?.night_s);
      if (now !== minute || keys.includes("notes_due") || keys.includes("me")) showNotes(state);
      minute = now;
    },
  });
})();
