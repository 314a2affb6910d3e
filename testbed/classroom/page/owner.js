// The service owner's panel: what a service says of itself, a dump of its threads, and the code.
"use strict";
(() => {
  const { el, by, text, say, number, button, replyLine, select, services } = Classroom;

  const answered = (heading, content) => by("owner-answer").replaceChildren(el("h4", {}, heading), el("pre", { tabindex: 0, role: "region", "aria-label": heading }, content));

  const make = (welcome) => {
    const line = replyLine(), service = select(text("owner.service"), services(welcome).map((name) => [name, name]), "owner-service");
    const fields = () => ({ service: service.field.value });
    const health = (reply, sent) => {
      if (!reply.ok || !reply.data) return;
      const { status, took_s, body } = reply.data;
      answered(text("owner.health_of", { service: sent.service, status: status ?? text("unknown"), took: Number.isFinite(took_s) ? number(took_s * 1000) : text("unknown") }), say(body));
    };
    const metrics = (reply, sent) => { if (reply.ok && reply.data) answered(text("owner.metrics_of", { service: sent.service }), say(reply.data.text ?? reply.data.body)); };
    const file = el("input", { id: "owner-file", type: "text", list: "owner-files", maxlength: 200, spellcheck: "false", autocomplete: "off" });
    const files = el("datalist", { id: "owner-files" });
    by("owner-controls").replaceChildren(
      el("p", { class: "buttons" }, service.row,
        button(text("owner.health"), "health", { line, fields, got: health }),
        button(text("owner.metrics"), "metrics", { line, fields, got: metrics }),
        button(text("owner.dump"), "dump", { line, fields })), line,
      el("form", { class: "buttons", onsubmit: (event) => { event.preventDefault(); if (file.value.trim()) Classroom.openCode(file.value.trim()); } },
        el("p", { class: "field" }, el("label", { for: "owner-file" }, text("owner.file")), file), files,
        el("button", { "data-order": "code" }, text("owner.show_code"))));
  };

  const showFiles = () => by("owner-files")?.replaceChildren(...Classroom.filesOfStacks().map((name) => el("option", { value: name })));

  Classroom.show({
    keys: ["dumps."],
    start: (welcome) => { if (welcome.mode === "live") make(welcome); },
    update: showFiles,
  });
})();
