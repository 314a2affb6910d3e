// The questions of the post-mortem: the commander answers for the class; after the reveal each answer stands beside what the evidence says.
"use strict";
(() => {
  const { el, by, text, word, setHidden, said, briefly, replyLine, sender, nightText } = Classroom;
  const forms = new Map();

  // The words of a choice, and of what somebody wrote.
  const nameOf = (question, value) => (question.choices?.includes(value) ? word(`answers.${question.id}`, value) : String(value));

  const choicesOf = (question) => (question.choices ?? []).map((choice) => {
    const kind = question.kind === "several" ? "checkbox" : "radio";
    return el("label", { class: "choice" }, el("input", { type: kind, name: `question-${question.id}`, value: choice }), " ", said(nameOf(question, choice)));
  });

  const valueOf = (question, form) => {
    if (question.kind === "line") return form.querySelector("input").value.trim();
    const chosen = [...form.querySelectorAll("input:checked")].map((input) => input.value);
    return question.kind === "several" ? chosen : chosen[0] ?? "";
  };

  const make = (question, number) => {
    const line = replyLine(), id = `question-${question.id}`;
    const inputs = question.kind === "line"
      ? [el("p", { class: "field" }, el("label", { for: id }, text("questions.line")), el("input", { id, type: "text", list: `${id}-lines`, maxlength: 200, spellcheck: "false", autocomplete: "off" })), el("datalist", { id: `${id}-lines` })]
      : choicesOf(question);
    const fields = () => {
      const value = valueOf(question, form);
      return value.length ? { question: question.id, value } : null;
    };
    const form = el("form", { onsubmit: sender("answer", { line, fields, empty: text("questions.empty") }) },
      el("fieldset", {}, el("legend", {}, text("questions.number", { number }), word("asked", question.id)), ...inputs),
      el("p", { class: "buttons" }, el("button", { "data-order": "answer" }, text("questions.answer"))), line);
    const answered = el("p", { class: "answered", hidden: true }), compared = el("div", { class: "compared", hidden: true });
    const heading = el("h3", { hidden: true }, text("questions.number", { number }), word("asked", question.id));
    // Whoever may not answer sees what may be answered, so that all can talk about it.
    const options = el("details", { class: "options", hidden: true, open: true }, el("summary", {}, text("questions.options")),
      el("ul", {}, ...(question.choices ?? []).map((choice) => el("li", {}, said(nameOf(question, choice))))));
    const element = el("li", {}, heading, options, form, answered, compared);
    forms.set(question.id, { question, form, heading, options, answered, compared, element, told: "" });
    return element;
  };

  const textOf = (question, value) => [value].flat().map((each) => nameOf(question, each)).join("; ");

  const showOne = ({ question, form, heading, options, answered, compared }) => {
    const answer = Classroom.get(`answers.${question.id}`), found = Classroom.get(`compared.${question.id}`), mine = Classroom.may("answer") && !found; // after the reveal answers are over
    setHidden(form, !mine);
    setHidden(heading, mine);
    setHidden(options, mine || !question.choices?.length);
    if (found) options.open = false;
    answered.replaceChildren(...(answer ? [text("questions.answered"), el("strong", {}, said(textOf(question, answer.value))),
      text("questions.by"), said(answer.by), text("questions.at", { time: nightText(answer.night_s) })] : [text("questions.open")]));
    setHidden(answered, !answer && !found && !Classroom.live()); // of a recorded night both are held back
    setHidden(compared, !found);
    compared.replaceChildren(...(found ? [
      el("p", { class: `judged ${found.right === true ? "right" : found.right === false ? "wrong" : "unsure"}` }, text(found.right === true ? "questions.right" : found.right === false ? "questions.wrong" : "questions.unsure")),
      el("p", {}, text("questions.evidence_says"), el("strong", {}, briefly(found.answer)), text("questions.sure", { sure: word("sure", found.sure) })),
      el("ul", {}, ...(found.evidence ?? []).map((each) => el("li", {}, briefly(each)))),
    ] : []));
  };

  // What another commander answered is ticked here, too, unless somebody is at it.
  const take = ({ question, form }, value) => {
    if (form.contains(document.activeElement)) return;
    if (question.kind === "line") {
      if (!form.querySelector("input").value) form.querySelector("input").value = String(value);
    } else form.querySelectorAll("input").forEach((input) => { input.checked = [value].flat().includes(input.value); });
  };

  Classroom.show({
    keys: ["answers.", "compared.", "dumps.", "me"],
    start: (welcome) => {
      forms.clear();
      by("questions-list").replaceChildren(...(welcome.questions ?? []).map((question, number) => make(question, number + 1)));
      setHidden(by("questions"), !welcome.questions?.length);
    },
    update: (keys) => {
      for (const one of forms.values()) {
        const { id, kind } = one.question;
        if (keys.includes("me") || keys.includes(`answers.${id}`) || keys.includes(`compared.${id}`)) showOne(one);
        if (keys.includes(`answers.${id}`) && Classroom.get(`answers.${id}`)) take(one, Classroom.get(`answers.${id}`).value);
        if (kind === "line" && keys.some((key) => key.startsWith("dumps."))) by(`question-${id}-lines`).replaceChildren(...Classroom.linesOfStacks().map((value) => el("option", { value })));
      }
    },
  });
})();
