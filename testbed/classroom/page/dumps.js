// Dumps of threads, the newest first: a service, its groups of alike threads, and the stack of each, whose lines lead to the code.
"use strict";
(() => {
  const { el, by, text, setHidden, said, nightText } = Classroom;
  const shown = new Map();

  const frame = (line) => {
    const found = Classroom.frameOf(line);
    if (!found?.own || !Classroom.mayOpenCode(found.file)) return el("li", { class: found?.own ? "own" : "" }, el("code", {}, line));
    return el("li", { class: "own" }, el("button", { type: "button", class: "way", onclick: () => Classroom.openCode(found.file, found.line) }, el("code", {}, line)));
  };
  const wait = ({ count, kind, call, peer, detail }) => el("li", {}, text("dumps.wait", { n: count ?? 0 }), said([kind, call, peer, detail].filter(Boolean).join(", ")));
  const group = (one) => el("details", { class: "group" },
    el("summary", {}, el("strong", {}, text("dumps.threads", { n: one.count })), said(one.state), one.within ? text("dumps.within", { name: one.within }) : ""),
    ...((one.waits ?? []).length ? [el("ul", {}, ...one.waits.map(wait))] : []),
    el("p", { class: "note" }, text("dumps.order")),
    el("ol", { class: "stack" }, ...(one.stack ?? []).map(frame)));

  const dump = (n, one, open) => {
    const groups = one.groups ?? [], threads = groups.reduce((sum, each) => sum + (each.count ?? 0), 0);
    const heading = text("dumps.dump", { service: one.service, time: nightText(one.night_s) });
    const told = one.error ? text("dumps.none") : text("dumps.groups", { threads, n: groups.length });
    return el("details", { class: "dump", "data-n": n, open },
      el("summary", {}, el("strong", {}, heading), " ", told),
      ...(one.error ? [el("p", { class: "refused" }, said(one.error))] : groups.map(group)));
  };

  // A dump that is there stays, with what is unfolded in it; but what somebody may open changes with the roles.
  const show = (keys) => {
    const box = by("dumps-list"), there = new Map(Classroom.under("dumps."));
    if (keys.includes("me")) shown.clear(), box.replaceChildren();
    for (const [n, { element, value }] of shown) {
      if (there.get(n) === value) continue;
      element.remove();
      shown.delete(n);
    }
    for (const [n, value] of there) {
      if (shown.has(n)) continue;
      const element = dump(n, value, false), older = [...shown].filter(([other]) => Number(other) < Number(n)).sort(([one], [other]) => other - one)[0];
      if (older) older[1].element.before(element);
      else box.append(element);
      shown.set(n, { element, value });
    }
    setHidden(by("dumps-empty"), shown.size > 0);
  };

  Classroom.show({ keys: ["dumps.", "me"], update: show });
})();
