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

  // Beside what the night's clock waits for there is the choice, as soon as it is open.
  const taskOf = (state) => state.task ?? (state.phase === "night" && state.choice?.open && !state.choice.chosen ? { text: text("task.decide"), role: "commander" } : null);
  const showTask = (state) => {
    const task = taskOf(state), mine = Boolean(task) && Classroom.has(task.role);
    setHidden(by("task"), !task);
    setClass(by("task"), "mine", mine);
    setText(by("task-text"), say(task?.text));
    setText(by("task-role"), task ? text(mine ? "task.yours" : "task.theirs", { role: word("roles", task.role) }) : "");
    const panel = by(`panel-${task?.role}`);
    setHidden(by("task-way"), !(mine && panel));
    if (mine && panel) setAttribute(by("task-link"), "href", `#panel-${task.role}`);
  };

  Classroom.show({
    keys: ["clock", "phase", "passengers", "cost", "gone", "gone.why", "task", "choice", "me"],
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
      if (any("task", "choice", "phase", "me")) showTask(state);
    },
  });
})();
