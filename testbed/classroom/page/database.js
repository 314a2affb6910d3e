// The database's panel: sessions and locks as tables.
"use strict";
(() => {
  const { el, by, text, number, button, replyLine, table, said } = Classroom;

  // Seconds are shown with one decimal; a list, such as of the sessions that one waits for, may be empty.
  const cellOf = (value) => (Array.isArray(value) && !value.length ? text("database.nobody") : typeof value === "number" && !Number.isInteger(value) ? number(value) : value);

  const shown = (caption) => (reply) => {
    if (!reply.ok || !reply.data) return;
    const { columns = [], rows = [], missing = [] } = reply.data;
    by("database-answer").replaceChildren(
      rows.length ? table(caption, columns.map(String), rows.map((row) => row.map(cellOf))) : el("p", {}, caption, text("database.none")),
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
