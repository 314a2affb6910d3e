// Who is there, and joining: a name, and roles; one person can play all.
"use strict";
(() => {
  const { el, by, text, word, setHidden, setText, setClass, said, replyLine, sender, identity } = Classroom;
  let changing = false;

  const boxes = () => [...by("join-roles").querySelectorAll("input")];
  const chosen = () => boxes().filter((box) => box.checked && box.value !== "all").map((box) => box.value);

  const tickAll = () => {
    const all = boxes().find((box) => box.value === "all");
    all.checked = boxes().every((box) => box === all || box.checked);
  };

  const makeForm = (welcome) => {
    const roles = welcome.roles.map((role) => role.id).filter((id) => id !== "trainer"), line = replyLine();
    const name = el("input", { id: "join-name", maxlength: 40, required: true, autocomplete: "nickname", type: "text" });
    const known = identity.joined();
    name.value = known.name || identity.lastName();
    const draft = identity.draft(name, "name");
    const box = (id, label) => el("label", { class: "choice" }, el("input", { type: "checkbox", value: id }), " ", label);
    const choices = el("fieldset", { id: "join-roles" }, el("legend", {}, text("join.roles")),
      ...roles.map((id) => box(id, text("join.role", { role: word("roles", id), what: word("roles_do", id) }))), box("all", text("join.all")));
    const fields = () => (name.value.trim() ? { name: name.value.trim(), roles: chosen() } : null);
    const got = (reply, wanted) => {
      if (!reply.ok) return;
      identity.keepJoined(wanted.name, wanted.roles);
      draft.done();
      name.value = wanted.name;
      changing = false;
      showJoined();
    };
    by("join-form").replaceChildren(el("form", { onsubmit: sender("join", { line, fields, got }) },
      el("p", { class: "field" }, el("label", { for: "join-name" }, text("join.name")), name),
      choices, el("p", { class: "note" }, text("join.shared")),
      el("p", { class: "buttons" }, el("button", { class: "first", "data-order": "join" }, text("join.join")),
        el("button", { id: "join-look", type: "button", onclick: lookOn }, text("join.look"))), line));
    for (const each of boxes()) {
      each.checked = known.roles.includes(each.value);
      each.addEventListener("change", () => {
        if (each.value === "all") boxes().forEach((other) => { other.checked = each.checked; });
        else tickAll();
      });
    }
    tickAll();
  };

  // The form would hide the map; who looks on, and the trainer, has but a line of it.
  const lookOn = () => {
    changing = false;
    identity.keepLooking();
    showJoined();
    by("joined-change").focus();
  };
  const showJoined = () => {
    const there = Classroom.me(), trainer = Classroom.isTrainer(), folded = !changing && Boolean(there || identity.looksOn() || trainer);
    setHidden(by("join"), !Classroom.live());
    setHidden(by("join-form"), folded);
    setHidden(by("joined"), !folded);
    setText(by("joined-change"), text(there ? "join.change" : "join.heading"));
    setClass(by("join"), "joined", !by("joined").hidden);
    const roles = Classroom.roles().map((role) => word("roles", role)).join(", ") || text("join.no_role");
    by("joined-who").replaceChildren(...(there ? [text("join.you_are"), said(there.name), text("join.with", { roles })] : [text(trainer ? "join.trainer" : "join.looks_on")]));
  };

  const showPeople = () => {
    const people = Classroom.under("people.").map(([, person]) => person);
    setHidden(by("people"), !people.length);
    setText(by("people-count"), text("join.people", { n: people.filter((person) => person.here).length }));
    by("people-list").replaceChildren(...people.map((person) => el("li", { class: person.here ? "" : "away" }, said(person.name),
      text("join.person", { roles: (person.roles ?? []).map((role) => word("roles", role)).join(", ") || text("join.no_role") }), person.here ? "" : text("join.away"))));
  };

  Classroom.show({
    keys: ["people.", "me"],
    start: (welcome) => {
      if (welcome.mode !== "live") return;
      makeForm(welcome);
      by("joined-change").onclick = () => { changing = true; showJoined(); by("join-name").focus(); };
    },
    update: (keys) => {
      showJoined();
      if (keys.some((key) => key.startsWith("people."))) showPeople();
      for (const panel of document.querySelectorAll(".panel[data-role]")) setHidden(panel, !Classroom.has(panel.dataset.role));
      setHidden(by("desk"), !document.querySelector(".panel[data-role]:not([hidden])"));
    },
  });
})();
