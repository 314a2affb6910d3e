// Makes and changes elements; every text of the page comes from texts.js, and whatever comes from elsewhere is set as text, never as HTML.
"use strict";
window.Classroom = {};
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const plural = new Intl.PluralRules(TEXTS.lang), numbers = new Intl.NumberFormat(TEXTS.lang, { maximumFractionDigits: 1 });
  const lists = new Intl.ListFormat(TEXTS.lang, { type: "unit", style: "short" });

  const number = (value) => (Number.isFinite(value) ? numbers.format(value) : text("unknown"));

  // What texts.js has at a key; a key without a text is shown as it is, and so it is seen.
  const found = (key) => key.split(".").reduce((group, name) => (group && Object.hasOwn(group, name) ? group[name] : undefined), TEXTS);

  // A text by its key, with values for its {places}; one with several forms is chosen by `n`. In a {place|group} stands the group's word.
  const text = (key, values = {}) => {
    let form = found(key);
    if (form && typeof form === "object") form = form[plural.select(values.n)] ?? form.other;
    if (typeof form !== "string") return key;
    return form.replace(/\{(\w+)(?:\|(\w+))?\}/g, (_, name, group) => place(variantsOf(name, values[name]), group, values));
  };
  // A variant that the class may choose is called as it reads it.
  const variantsOf = (name, value) => {
    if (name !== "variant" && name !== "variants") return value;
    return Array.isArray(value) ? value.map(variantName) : variantName(value);
  };
  const variantName = (value) => {
    const words = window.Classroom.welcome?.()?.preventions?.find((each) => each.value === value)?.text;
    return words ? text("prevention.named", { words: words.replace(/\.$/, "") }) : value;
  };
  const place = (value, group, values) => {
    if (Array.isArray(value)) return lists.format(value.map((each) => place(each, group, values)));
    if (group) return word(group, value, values);
    return typeof value === "number" ? number(value) : say(value);
  };

  // What the server says: somebody's own words as they are, a code with its fields in the words of texts.js, and a list of these.
  const say = (told) => (Array.isArray(told) ? lists.format(told.map(say)) : told && typeof told === "object" ? text(`said.${told.code}`, told) : String(told ?? ""));

  // The text for a word of the state; a word that texts.js does not have is shown as it is.
  const word = (group, value, values) => (typeof found(`${group}.${value}`) === "string" ? text(`${group}.${value}`, values) : String(value ?? TEXTS.unknown));

  const filled = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  const el = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);
  const by = (id) => document.getElementById(id);

  // Each of these touches the page only where something is new.
  const setText = (element, value) => {
    if (element.shown === value) return;
    element.shown = value;
    element.textContent = value;
  };
  const setAttribute = (element, name, value) => {
    if (value === null) {
      if (element.hasAttribute(name)) element.removeAttribute(name);
    } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  };
  const setClass = (element, name, on) => { if (element.classList.contains(name) !== on) element.classList.toggle(name, on); };
  const setHidden = (element, hidden) => { if (element.hidden !== hidden) element.hidden = hidden; };

  // What a stranger wrote stands apart from the direction of the text around it.
  const said = (told) => el("bdi", {}, say(told));

  // What may be screens long, such as all that is unknown: its first line, and the rest unfolds.
  const SHORT = 240, FIRST = 140; // letters that stand as they are, and of a first line
  const briefly = (told) => {
    const words = say(told);
    if (words.length <= SHORT) return said(words);
    const end = words.lastIndexOf(" ", FIRST), at = end > 0 ? end : FIRST;
    return el("details", { class: "long" }, el("summary", {}, el("bdi", {}, words.slice(0, at))), el("bdi", {}, words.slice(at).trim()));
  };

  // A text of several paragraphs.
  const paragraphs = (value) => String(value ?? "").split(/\n\s*\n/).filter((part) => part.trim()).map((part) => el("p", {}, said(part)));

  const two = (value) => String(value).padStart(2, "0");
  // Of a night that lasts but minutes each second counts: a minute of it may take three.
  const HOUR_S = 3600;
  const isShort = (night) => Boolean(night) && night.to_s - night.from_s <= HOUR_S;
  const nightText = (seconds) => {
    if (!Number.isFinite(seconds)) return text("unknown");
    const second = Math.floor(((seconds % 86400) + 86400) % 86400), minutes = Math.floor(second / 60);
    const shown = [Math.floor(minutes / 60), minutes % 60, ...(isShort(window.Classroom.welcome?.()?.night) ? [second % 60] : [])];
    return shown.map(two).join(":");
  };
  const when = (seconds) => el("span", { class: "when" }, nightText(seconds));

  // The rows of a table, which on a narrow page stand below one another, each cell with the head of its column.
  const table = (caption, heads, rows) => el("table", {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell, column) => {
      const content = cell instanceof Node ? cell : said(cell ?? text("unknown"));
      return column ? el("td", { "data-head": heads[column] }, content) : el("th", { scope: "row" }, content);
    })))));

  // Texts of index.html.
  const fillTexts = () => {
    document.documentElement.lang = TEXTS.lang;
    for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
    for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  };

  Object.assign(Classroom, { text, say, word, number, el, svg, by, setText, setAttribute, setClass, setHidden, said, briefly, paragraphs, variantName, nightText, when, table, fillTexts });
})();
