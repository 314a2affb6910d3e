// The database's panel: sessions and locks as tables.
"use strict";
(() => {
  const { el, by, text, button, replyLine, table, said } = Classroom;

  const shown = (caption) => (reply) => {
    if (!reply.ok || !reply.data) return;
    const { columns = [], rows = [], missing = [] } = reply.data;
    by("database-answer").replaceChildren(
      rows.length ? table(caption, columns.map(String), rows) : el("p", {}, caption, text("database.none")),
      ...missing.map((each) => el("p", { class: "missing" }, text("database.missing"), said(each))));
  };

  const make = () => {
    const line = replyLine();
    by("database-controls").replaceChildren(
      el("p", { class: "buttons" },
        button(text("database.sessions"), "sessions", { line, got: shown(text("database.sessions")) }),
        button(text("database.locks"), "locks", { line, got: shown(text("database.locks")) })), line);
  };
  Classroom.show({ start: (welcome) => { if (welcome.mode === "live") make(); } });
})();
