// The log of what was done, the newest first; lines that are there already stay as they are.
"use strict";
(() => {
  const { el, by, text, word, setHidden, said, when } = Classroom;
  const MOST = 300;
  const lines = new Map();

  // The prevention stands in the log by its variant's name, and is called as the class reads it.
  const wordsOf = (told) => (told?.code === "answered_with" && told.question === "prevention" ? { ...told, value: Classroom.variantName(told.value) } : told);

  const line = (entry) => el("li", { class: `entry kind-${String(entry.kind).replace(/\W/g, "")}` },
    when(entry.night_s), " ", el("span", { class: "kind" }, word("log_kinds", entry.kind)), " ",
    ...(entry.who ? [el("span", { class: "who" }, said(entry.who)), text("log.said")] : []), said(wordsOf(entry.text)));

  const show = () => {
    const list = by("log-lines"), entries = Classroom.under("log.").slice(-MOST), kept = new Set();
    entries.forEach(([n, entry]) => {
      kept.add(n);
      const before = lines.get(n);
      if (before?.entry === entry) return;
      const made = line(entry);
      if (before) before.element.replaceWith(made);
      else {
        // It stands above the next older one: in order, also when an older line comes late.
        const older = [...lines].filter(([other]) => Number(other) < Number(n)).sort(([one], [other]) => other - one)[0];
        if (older) older[1].element.before(made);
        else list.append(made);
      }
      lines.set(n, { entry, element: made });
    });
    for (const [n, { element }] of lines) {
      if (kept.has(n)) continue;
      element.remove();
      lines.delete(n);
    }
    setHidden(by("log-empty"), lines.size > 0);
  };

  Classroom.show({ keys: ["log."], update: show });
})();
