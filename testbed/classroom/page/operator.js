// The operator's panel: the switchover step by step, and restarts, before each of which stands what it would destroy.
"use strict";
(() => {
  const { el, by, text, setHidden, setText, button, replyLine, allow, ask, select, services, said, nightText } = Classroom;
  let first = null, next = null;

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
    ].filter(Boolean);
  };
  const restart = (service) => async () => {
    const name = service.value;
    const evidence = await ask(text("operator.restart_which", { service: name }), lost(name), [
      { value: true, text: text("operator.dump_first"), class: "first" }, { value: false, text: text("operator.at_once"), class: "grave" },
    ]);
    return evidence === null ? null : { service: name, evidence };
  };

  const make = (welcome) => {
    const line = replyLine(), steps = replyLine(), second = replyLine(), service = select(text("operator.service"), services(welcome).map((name) => [name, name]), "operator-service");
    first = button(text("operator.switchover"), "switchover", { line });
    next = button(text("operator.next"), "next_step", { line: steps, class: "first" });
    by("operator-switchover").replaceChildren(el("p", { class: "buttons" }, next, first), steps, line);
    by("operator-restart").replaceChildren(
      el("p", { class: "buttons" }, service.row, button(text("operator.restart"), "restart", { line: second, fields: restart(service.field) }),
        button(text("orders.collect"), "collect", { line: second })), second);
  };

  const showSwitchover = (state) => {
    const under = state.switchover;
    const done = under?.done ?? [];
    setHidden(by("operator-steps"), !under);
    by("operator-steps").replaceChildren(...done.map((step) => el("li", { class: "done" }, el("span", { class: "mark" }, text("operator.done")), said(step))),
      ...(under?.next ? [el("li", { class: "next", "aria-current": "step" }, el("span", { class: "mark" }, text(under.running ? "operator.running" : "operator.to_do")), said(under.next))] : []));
    setText(by("operator-told"), under ? text("operator.step", { step: under.step, of: under.of }) : text("operator.no_switchover"));
    if (!first) return;
    allow(first, !under);
    allow(next, Boolean(under) && !under.running);
  };

  Classroom.show({
    keys: ["switchover", "me"],
    start: (welcome) => { if (welcome.mode === "live") make(welcome); },
    update: (_, state) => showSwitchover(state),
  });
})();
