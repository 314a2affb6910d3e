// Buttons that send orders, the line that says what came of it, and the question before what cannot be undone.
"use strict";
(() => {
  const { el, text, say, by, setText, setClass, setAttribute, identity } = Classroom;

  const replyLine = () => el("p", { class: "reply", role: "status" });
  const tell = (line, reply) => {
    setText(line, say(reply.text) || text(reply.ok ? "orders.done" : "orders.refused"));
    setClass(line, "refused", !reply.ok);
  };

  // Sends an order once at a time. `fields` returns its fields, or null if it is not to be sent, which `empty` explains; `got` takes the reply.
  const sender = (order, { fields = () => ({}), line, empty = "", got = () => {} }) => {
    let busy = false;
    return async (event) => {
      event?.preventDefault();
      const button = event?.submitter ?? event?.currentTarget;
      if (busy || button?.getAttribute("aria-disabled") === "true") return;
      busy = true;
      button?.setAttribute("aria-busy", "true");
      try {
        const sent = await fields();
        if (sent === null) {
          if (empty) tell(line, { ok: false, text: empty });
          return;
        }
        setText(line, text("orders.sent"));
        setClass(line, "refused", false);
        const reply = await Classroom.order(order, sent);
        tell(line, reply);
        got(reply, sent);
      } finally {
        busy = false;
        button?.removeAttribute("aria-busy");
      }
    };
  };
  const button = (label, order, options) => el("button", { type: "button", "data-order": order, class: options.class, onclick: sender(order, options) }, label);

  // A button that cannot be pressed now keeps the focus, which `disabled` would take away.
  const allow = (one, allowed) => setAttribute(one, "aria-disabled", allowed ? null : "true");

  // Asks, and returns the chosen value; null if somebody thinks better of it.
  const ask = (heading, lines, choices) => new Promise((resolve) => {
    const dialog = by("question");
    const close = (value) => { dialog.returnValue = ""; dialog.onclose = null; dialog.close(); resolve(value); };
    dialog.replaceChildren(
      el("h2", { id: "question-title" }, heading),
      ...lines.map((line) => el("p", {}, line)),
      el("p", { class: "buttons" },
        ...choices.map((choice) => el("button", { type: "button", class: choice.class, onclick: () => close(choice.value) }, choice.text)),
        el("button", { type: "button", onclick: () => close(null) }, text("orders.cancel"))),
    );
    dialog.onclose = () => resolve(null); // by Escape
    dialog.showModal();
  });

  const select = (label, values, id) => {
    const field = el("select", { id }, ...values.map(([value, name]) => el("option", { value }, name)));
    return { field, row: el("p", { class: "field" }, el("label", { for: id }, label), field) };
  };
  // A note for the timeline; what was begun outlives a reload.
  const noteForm = (id, label, rows) => {
    const line = replyLine(), note = el("textarea", { id, maxlength: 500, rows, required: true }), draft = identity.draft(note, id);
    const send = sender("note", { line, fields: () => (note.value.trim() ? { text: note.value.trim() } : null), got: (reply) => { if (reply.ok) draft.done(); } });
    return el("form", { onsubmit: send }, el("p", { class: "field" }, el("label", { for: id }, label), note),
      el("p", { class: "buttons" }, el("button", { "data-order": "note" }, text("orders.write"))), line);
  };

  const services = (welcome, kinds = ["caller", "server"]) => welcome.map.nodes.filter((node) => kinds.includes(node.kind)).map((node) => node.name);

  Object.assign(Classroom, { replyLine, tell, sender, button, allow, ask, select, noteForm, services });
})();
