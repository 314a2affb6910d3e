// Who somebody is, kept by the browser: the id that the server gave, the name and the roles; and what is being typed, until the tab is closed.
"use strict";
(() => {
  const KEY = `testbed class ${location.pathname}`, NAME = "testbed class name";

  // A browser may forbid to keep anything; then it is kept as long as the page is open.
  const memory = new Map();
  const read = (storage, key) => {
    try {
      return window[storage].getItem(key) ?? memory.get(key) ?? null;
    } catch {
      return memory.get(key) ?? null;
    }
  };
  const write = (storage, key, value) => {
    memory.set(key, value);
    try {
      window[storage].setItem(key, value);
    } catch {
      // see above
    }
  };

  const kept = () => {
    try {
      return JSON.parse(read("localStorage", KEY)) ?? {};
    } catch {
      return {};
    }
  };
  const keep = (changes) => write("localStorage", KEY, JSON.stringify({ ...kept(), ...changes }));

  const joined = () => {
    const { name, roles } = kept();
    return { name: typeof name === "string" ? name : "", roles: Array.isArray(roles) ? roles : [] };
  };
  const keepJoined = (name, roles) => {
    keep({ name, roles, looks: false });
    write("localStorage", NAME, name);
  };

  // Who only looks on is not asked to join again.
  const looksOn = () => kept().looks === true;
  const keepLooking = () => keep({ looks: true });

  // A field whose content outlives a reload; `done` forgets it.
  const draft = (field, name) => {
    const key = `${KEY} ${name}`;
    field.value = read("sessionStorage", key) || field.value;
    field.addEventListener("input", () => write("sessionStorage", key, field.value));
    return { done: () => { field.value = ""; write("sessionStorage", key, ""); } };
  };

  Classroom.identity = { id: () => kept().id ?? "", keepId: (id) => keep({ id }), joined, keepJoined, looksOn, keepLooking, lastName: () => read("localStorage", NAME) ?? "", draft };
})();
