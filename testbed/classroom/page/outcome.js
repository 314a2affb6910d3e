// The end: what it was, the prevention that was chosen beside the first night, and the score.
"use strict";
(() => {
  const { el, by, text, word, number, setHidden, setText, said, briefly, replyLine, sender, table } = Classroom;

  const make = (welcome) => {
    const line = replyLine();
    const choices = (welcome.preventions ?? []).map(({ value, text: words }) => el("label", { class: "choice" },
      el("input", { type: "radio", name: "prevention", value }), " ", said(words)));
    const form = el("form", { onsubmit: sender("prevent", { line, empty: text("prevention.empty"), fields: () => { const value = form.querySelector("input:checked")?.value; return value ? { variant: value } : null; } }) },
      el("fieldset", {}, el("legend", {}, text("prevention.which")), ...choices),
      el("p", { class: "buttons" }, el("button", { "data-order": "prevent" }, text("prevention.replay"))), line);
    by("prevention-form").replaceChildren(form);
    by("prevention-options").replaceChildren(...(welcome.preventions ?? []).map(({ text: words }) => el("li", {}, said(words))));
  };

  const nameOf = (variant) => Classroom.welcome()?.preventions?.find((each) => each.value === variant)?.text ?? variant;
  const showReplays = (state) => {
    const first = state.revealed?.variant, replays = Classroom.under("replays.");
    const rows = replays.sort(([one], [other]) => (other === first) - (one === first)).map(([variant, replay]) => [
      variant === first ? text("prevention.first", { variant }) : nameOf(variant),
      replay.running ? text("prevention.running") : el("strong", { class: `outcome ${replay.outcome}` }, word("outcomes", replay.outcome ?? "unknown")),
      replay.running ? text("unknown_short") : word("cracks", replay.crack ?? "unknown"),
      briefly(replay.text),
    ]);
    by("prevention-replays").replaceChildren(...(rows.length
      ? [table(text("prevention.replays"), [text("prevention.night"), text("prevention.outcome"), text("prevention.crack"), text("prevention.what")], rows)] : []));
    const there = Classroom.live() && Boolean(Classroom.welcome()?.preventions?.length), mine = there && Classroom.may("prevent");
    setHidden(by("prevention-form"), !mine);
    setHidden(by("prevention-options"), !there || mine);
    setHidden(by("prevention-counts"), !there);
    setText(by("prevention-counts"), text(state.revealed ? "prevention.late" : "prevention.early"));
    setHidden(by("prevention"), !there && !rows.length);
  };

  const showRevealed = (state) => {
    const found = state.revealed;
    setHidden(by("revealed"), !found);
    if (!found) return;
    const sure = state["compared.cause"]?.sure, certain = found.certain && (!sure || sure === "certain"); // as beside the question of the cause
    by("revealed-told").replaceChildren(
      ...Classroom.paragraphs(found.explanation),
      el("p", { class: "sum" }, said(found.title)),
      el("p", {}, text("revealed.variant"), el("code", {}, said(found.variant))),
      found.root || state["compared.cause"] ? el("p", {}, found.root ? text(certain ? "revealed.root" : "revealed.likely") : text("revealed.no_root"), found.root ? el("strong", {}, briefly(found.root)) : "") : "");
  };

  const showScore = (state) => {
    const { score } = state;
    setHidden(by("score"), !score);
    if (!score) return;
    const replayed = Classroom.under("replays.").some(([, replay]) => replay.running);
    setText(by("score-sum"), text(replayed ? "score.so_far" : "score.sum", { points: score.points, of: score.of }));
    const rows = (score.parts ?? []).map((part) => [word("score_parts", part.id), text("score.part", { points: part.points ?? text("unknown"), of: part.of }), briefly(part.text)]);
    by("score-parts").replaceChildren(table(text("score.parts"), [text("score.what"), text("score.points"), text("score.why")], rows));
  };

  Classroom.show({
    keys: ["replays.", "revealed", "compared.cause", "score", "phase", "me"],
    start: (welcome) => { if (welcome.mode === "live") make(welcome); },
    update: (_, state) => {
      showRevealed(state);
      showReplays(state);
      showScore(state);
    },
  });
})();
