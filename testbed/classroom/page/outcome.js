// The end: what it was, the prevention that was chosen beside the first night, and the score.
"use strict";
(() => {
  const { el, by, text, word, number, setHidden, setText, said, replyLine, sender, table } = Classroom;

  const make = (welcome) => {
    const line = replyLine();
    const choices = (welcome.preventions ?? []).map(({ value, text: words }) => el("label", { class: "choice" },
      el("input", { type: "radio", name: "prevention", value }), " ", said(words)));
    const form = el("form", { onsubmit: sender("prevent", { line, fields: () => { const value = form.querySelector("input:checked")?.value; return value ? { variant: value } : null; } }) },
      el("fieldset", {}, el("legend", {}, text("prevention.which")), ...choices),
      el("p", { class: "buttons" }, el("button", { "data-order": "prevent" }, text("prevention.replay"))), line);
    by("prevention-form").replaceChildren(form);
  };

  const nameOf = (variant) => Classroom.welcome()?.preventions?.find((each) => each.value === variant)?.text ?? variant;
  const showReplays = (state) => {
    const first = state.revealed?.variant, replays = Classroom.under("replays.");
    const rows = replays.sort(([one], [other]) => (other === first) - (one === first)).map(([variant, replay]) => [
      variant === first ? text("prevention.first", { variant }) : nameOf(variant),
      replay.running ? text("prevention.running") : el("strong", { class: `outcome ${replay.outcome}` }, word("outcomes", replay.outcome ?? "unknown")),
      replay.running ? text("unknown_short") : word("cracks", replay.crack ?? "unknown"),
      said(replay.text),
    ]);
    by("prevention-replays").replaceChildren(...(rows.length
      ? [table(text("prevention.replays"), [text("prevention.night"), text("prevention.outcome"), text("prevention.crack"), text("prevention.what")], rows)] : []));
    setHidden(by("prevention-form"), !Classroom.may("prevent") || !Classroom.welcome()?.preventions?.length);
    setHidden(by("prevention"), by("prevention-form").hidden && !rows.length);
  };

  const showRevealed = (state) => {
    const found = state.revealed;
    setHidden(by("revealed"), !found);
    if (!found) return;
    by("revealed-told").replaceChildren(
      el("p", { class: "sum" }, said(found.title)),
      el("p", {}, text("revealed.variant"), el("code", {}, said(found.variant))),
      found.root || state.phase === "over" ? el("p", {}, found.root ? text(found.certain ? "revealed.root" : "revealed.likely") : text("revealed.no_root"), found.root ? el("strong", {}, said(found.root)) : "") : "");
  };

  const showScore = (state) => {
    const { score } = state;
    setHidden(by("score"), !score);
    if (!score) return;
    setText(by("score-sum"), text("score.sum", { points: score.points, of: score.of }));
    const rows = (score.parts ?? []).map((part) => [word("score_parts", part.id), text("score.part", { points: part.points ?? text("unknown"), of: part.of }), said(part.text)]);
    by("score-parts").replaceChildren(table(text("score.parts"), [text("score.what"), text("score.points"), text("score.why")], rows));
  };

  Classroom.show({
    keys: ["replays.", "revealed", "score", "phase", "me"],
    start: (welcome) => { if (welcome.mode === "live") make(welcome); },
    update: (_, state) => {
      showRevealed(state);
      showReplays(state);
      showScore(state);
    },
  });
})();
