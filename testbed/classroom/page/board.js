// The board at the top: the night's clock, what became of the passengers, what the outage costs, and the task of the moment.
"use strict";
(() => {
  const { by, text, say, word, number, setText, setClass, setHidden, setAttribute, nightText } = Classroom;

  const showClock = (state) => {
    const clock = state.clock, phase = state.phase ?? "building";
    setText(by("clock"), clock ? nightText(clock.night_s) : text("board.no_time"));
    const awaited = state.task && clock?.held === state.task.text; // which stands below, large
    const held = awaited ? text("board.awaited", { role: state.task.role }) : clock?.held ? text("board.held", { why: say(clock.held) }) : clock?.speed === 0 ? text("board.stands") : "";
    const why = phase === "night" ? held : word("phases", phase);
    const speed = clock?.speed, runs = !Number.isFinite(speed) ? "" : speed < 120 ? text("board.speed", { speed }) : text("board.fast", { minutes: speed / 60 });
    setText(by("pace"), why || runs);
    setClass(by("board"), "held", Boolean(why));
  };

  const showPassengers = (state) => {
    for (const name of ["answered", "failed", "waiting"]) setText(by(`board-${name}`), state.passengers ? number(state.passengers[name]) : text("unknown_short"));
  };
  // Where passengers are seen and no cost is told, nothing was lost.
  const showCost = (state) => setText(by("board-cost"), state.cost ? number(state.cost.total_per_minute) : state.passengers ? text("board.no_cost") : text("unknown_short"));

  const showGone = (state) => {
    const why = state["gone.why"] ?? state.gone?.why ?? "";
    setHidden(by("gone"), state.phase !== "gone");
    if (state.phase === "gone") setText(by("gone"), text("board.gone", { why: say(why) }));
  };

  // What the night is about is read before it begins; then the map takes the place.
  let before = "";
  const foldIntroduction = (phase) => {
    if (phase !== before) by("introduction-box").open = phase === "building" || phase === "ready";
    before = phase;
  };

  // Beside what the night's clock waits for there is the choice, as soon as it is open; what follows from it; and after the night the answers.
  const stuckOf = (state, kind) => Classroom.services(Classroom.welcome(), kind).filter((name) => state[`services.${name}`]?.stuck);
  const choiceTask = (state) => {
    const { open, chosen } = state.choice ?? {}, stuck = stuckOf(state);
    const all = stuckOf(state, ["caller"]).length === Classroom.services(Classroom.welcome(), ["caller"]).length;
    if (!stuck.length) return null; // it went by
    if (open && !chosen) return { text: all ? text("task.decide") : text("task.decide_some", { services: stuck }), role: "commander" };
    if (!chosen) return null;
    if (chosen === "look" && state.at_risk?.length) return { text: text("task.look"), role: "commander" };
    return { text: text("task.restore"), role: "operator" };
  };
  const taskOf = (state) => {
    if (state.task) return state.task;
    if (state.phase === "night") return choiceTask(state);
    if (!Classroom.live()) return null;
    if (state.phase === "ending") return { text: text("task.ending"), role: "commander", at: "questions" };
    return state.phase === "over" && !state.revealed ? { text: text("task.answer"), role: "commander", at: "questions" } : null;
  };
  const showTask = (state) => {
    const task = taskOf(state), mine = Boolean(task) && Classroom.has(task.role);
    setHidden(by("task"), !task);
    setClass(by("task"), "mine", mine);
    setText(by("task-text"), say(task?.text));
    setText(by("task-role"), task ? text(mine ? "task.yours" : "task.theirs", { role: word("roles", task.role) }) : "");
    const panel = by(task?.at ?? `panel-${task?.role}`);
    setHidden(by("task-way"), !(mine && panel));
    if (!mine || !panel) return;
    setAttribute(by("task-link"), "href", `#${panel.id}`);
    setText(by("task-link"), text(task.at ? "task.way_questions" : "task.way"));
  };

  Classroom.show({
    keys: ["clock", "phase", "passengers", "cost", "gone", "gone.why", "task", "choice", "at_risk", "revealed", "services.", "me"],
    start: (welcome) => {
      document.title = text("board.document", { title: welcome.lesson.title });
      setText(by("title"), welcome.lesson.title);
      by("introduction").replaceChildren(...Classroom.paragraphs(welcome.lesson.introduction));
      setHidden(by("introduction-box"), !welcome.lesson.introduction);
      const minutes = welcome.lesson.minutes;
      setText(by("about"), Classroom.live() && Number.isFinite(minutes) ? text("board.about", { date: welcome.night.date, minutes }) : text("board.about_recorded", { date: welcome.night.date }));
    },
    update: (keys, state) => {
      const any = (...those) => keys.some((key) => those.includes(key));
      if (any("clock", "phase", "task")) showClock(state);
      if (any("passengers")) showPassengers(state);
      if (any("cost", "passengers")) showCost(state);
      if (any("phase")) foldIntroduction(state.phase);
      if (any("phase", "gone", "gone.why")) showGone(state);
      if (any("task", "choice", "at_risk", "revealed", "phase", "me") || (state.choice && keys.some((key) => key.startsWith("services.")))) showTask(state);
    },
  });
})();
