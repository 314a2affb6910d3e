// The commander's panel: the choice of the case, with what each minute costs and what a restart would destroy; and notes for the timeline.
"use strict";
(() => {
  const { el, by, text, word, number, setHidden, setText, button, replyLine, allow, said, nightText, table, noteForm } = Classroom;
  const buttons = {};

  const make = () => {
    const line = replyLine();
    buttons.restore = button(text("choice.restore"), "decide", { line, fields: () => ({ choice: "restore" }) });
    buttons.look = button(text("choice.look"), "decide", { line, fields: () => ({ choice: "look" }) });
    by("commander-decide").replaceChildren(el("p", { class: "buttons" }, buttons.restore, buttons.look, button(text("orders.collect"), "collect", { line })), line);
    by("commander-notes").replaceChildren(noteForm("commander-note", text("commander.note"), 3));
  };

  // Evidence that is there, by service; all see it beside the choice.
  const showChoice = () => {
    const [choice, cost, waits, risks] = [Classroom.get("choice"), Classroom.get("cost"), Classroom.get("waits"), Classroom.get("at_risk") ?? []];
    setHidden(by("choice"), !choice && !cost && !risks.length);
    setText(by("choice-told"), !choice ? "" : choice.chosen ? text("choice.chosen", { choice: word("choices", choice.chosen), time: nightText(choice.chosen_at_s ?? choice.night_s) }) : text(choice.open ? "choice.open" : "choice.not_yet"));
    setHidden(by("choice-told"), !choice);
    const kinds = Object.entries(cost?.per_minute ?? {}).map(([kind, each]) => [word("transactions", kind), number(each)]);
    setText(by("choice-sum"), cost ? text("choice.cost", { n: cost.total_per_minute ?? text("unknown"), lost: cost.lost ?? text("unknown") }) : text("choice.no_cost"));
    by("choice-cost").replaceChildren(...(kinds.length ? [table(text("choice.by_kind"), [text("choice.transaction"), text("choice.per_minute")], kinds)] : []));
    setHidden(by("costs"), !kinds.length);
    const dumps = Classroom.under("dumps.").map(([, dump]) => dump).filter((dump) => !dump.error);
    const kept = [...new Map(dumps.map((dump) => [dump.service, dump])).values()]; // of each service the last
    by("choice-kept").replaceChildren(
      ...kept.map((dump) => el("li", {}, text("choice.dump", { service: dump.service, time: nightText(dump.night_s) }))),
      ...(waits ? [el("li", {}, text("choice.waits", { time: nightText(waits.night_s) }))] : []),
      ...(kept.length || waits ? [] : [el("li", {}, text("choice.nothing"))]));
    by("choice-risk").replaceChildren(...(risks.length ? risks.map((risk) => el("li", {}, said(risk.service), text("choice.of"), said(risk.what))) : [el("li", {}, text("choice.no_risk"))]));
    if (buttons.look) for (const each of [buttons.look, buttons.restore]) allow(each, Boolean(choice?.open));
  };

  // What is lost is counted ten times a second; a table that somebody reads is made anew once a second.
  const EVERY_MS = 1000;
  let last_ms = -EVERY_MS, later = null;
  const now = () => {
    clearTimeout(later);
    later = null;
    last_ms = performance.now();
    showChoice();
  };
  Classroom.show({
    keys: ["choice", "cost", "at_risk", "dumps.", "waits", "phase", "me"],
    start: (welcome) => { if (welcome.mode === "live") make(); },
    update: (keys) => {
      if (keys.some((key) => key !== "cost") || by("choice").hidden) now();
      else later ??= setTimeout(now, Math.max(0, last_ms + EVERY_MS - performance.now()));
    },
  });
})();
