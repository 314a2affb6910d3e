// The operator's panel: the switchover step by step, and restarts, before each of which stands what it would destroy.
"use strict";
(() => {
  const { el, by, text, setHidden, setText, button, replyLine, allow, ask, select, services, said, nightText, noteForm } = Classroom;
  let first = null, next = null, planned = [], before = "";

  const dumped = (service) => Classroom.under("dumps.").map(([, dump]) => dump).filter((dump) => dump.service === service && !dump.error).at(-1);

  // What a restart would destroy, as the state tells it.
  const lost = (service) => {
    const risks = (Classroom.get("at_risk") ?? []).filter((each) => each.service === service);
    const last = dumped(service);
    return [
      ...risks.map((risk) => el("strong", {}, text("operator.at_risk"), said(risk.what))),
      risks.length || last ? null : text(Classroom.get(`services.${service}`)?.stuck ? "operator.not_kept" : "operator.not_stuck"),
      last ? text("operator.last_dump", { service, time: nightText(last.night_s) }) : text("operator.no_dump", { service }),
      text("operator.restart_costs"),
      text(last && !risks.length ? "operator.kept" : "operator.dump_takes"),
    ].filter(Boolean);
  };
  const restart = (service) => async () => {
    const name = service.value;
    const evidence = await ask(text("operator.restart_which", { service: name }), lost(name), [
      { value: true, text: text("operator.dump_first") }, { value: false, text: text("operator.at_once") }, // alike: a colour would decide
    ]);
    return evidence === null ? null : { service: name, evidence };
  };

  const make = (welcome) => {
    const line = replyLine(), steps = replyLine(), second = replyLine(), service = select(text("operator.service"), services(welcome).map((name) => [name, name]), "operator-service");
    first = button(text("operator.switchover"), "switchover", { line });
    next = button(text("operator.next"), "next_step", { line: steps, class: "first" });
    by("operator-switchover").replaceChildren(el("p", { class: "buttons" }, next, first), steps, line);
    by("operator-notes").replaceChildren(noteForm("operator-note", text("operator.note"), 2));
    by("operator-restart").replaceChildren(
      el("p", { class: "buttons" }, service.row, button(text("operator.restart"), "restart", { line: second, fields: restart(service.field) }),
        button(text("orders.collect"), "collect", { line: second })), second);
  };

  // The steps of the last switchover that is over, as the log has them.
  const finished = () => {
    const steps = [];
    for (const [, { kind, text: told }] of Classroom.under("log.")) {
      if (kind === "operation" && told?.code === "operation_begins" && told.operation === "switchover") steps.length = 0;
      if (kind === "step" && ["step_done", "step_failed"].includes(told?.code) && told.step?.code === "switchover_step") {
        steps[told.number - 1] = { step: told.step, mark: told.code === "step_done" ? "operator.done" : "operator.failed" };
      }
    }
    return steps.filter(Boolean);
  };
  // Those that come after the one of now, where they are those that were planned: failing back, the hosts are the other way round.
  const later = (under) => {
    const known = [...(under.done ?? []), under.next].filter(Boolean);
    return known.every((step, number) => JSON.stringify(step) === JSON.stringify(planned[number])) ? planned.slice(known.length) : [];
  };
  const stepsOf = (under) => {
    if (!under) {
      const over = finished();
      return over.length ? over : planned.map((step) => ({ step, mark: "" }));
    }
    return [
      ...(under.done ?? []).map((step) => ({ step, mark: "operator.done" })),
      ...(under.next ? [{ step: under.next, mark: under.running ? "operator.running" : "operator.to_do", now: true }] : []),
      ...later(under).map((step) => ({ step, mark: "" })),
    ];
  };
  const row = ({ step, mark, now }) => el("li", { class: now ? "next" : mark ? "done" : "", "aria-current": now ? "step" : null }, said(step), ...(mark ? [" ", el("span", { class: "mark" }, text(mark))] : []));

  const toldOf = (under, over, whole) => {
    if (under) return text("operator.step", { step: under.step, of: under.of });
    return text(!over ? "operator.no_switchover" : whole ? "operator.over" : "operator.broken_off");
  };

  // Of a facility that is gone there is no next step, whatever was under way.
  const showSwitchover = (state) => {
    const down = ["over", "gone"].includes(state.phase), under = down ? undefined : state.switchover;
    const steps = stepsOf(under), marks = steps.map(({ mark }) => mark).filter(Boolean), over = !under && marks.length > 0;
    const whole = marks.length >= planned.length || marks.includes("operator.failed");
    const now = JSON.stringify([steps, under, down]);
    if (now !== before) {
      before = now;
      setHidden(by("operator-steps"), !steps.length);
      by("operator-steps").replaceChildren(...steps.map(row));
      setText(by("operator-told"), toldOf(under, over, whole));
      const planning = !under && !over && !down && steps.length > 0, judging = over && whole;
      setHidden(by("operator-planned"), !planning && !judging);
      setText(by("operator-planned"), planning ? text("operator.planned") : judging ? text("operator.judge") : "");
    }
    setHidden(by("operator-notes"), !over || !Classroom.may("note"));
    if (!first) return;
    allow(first, !under);
    allow(next, Boolean(under) && !under.running);
  };

  Classroom.show({
    keys: ["switchover", "log.", "phase", "me"],
    start: (welcome) => {
      [planned, before] = [welcome.switchover_steps ?? [], ""];
      if (welcome.mode === "live") make(welcome);
    },
    update: (_, state) => showSwitchover(state),
  });
})();
