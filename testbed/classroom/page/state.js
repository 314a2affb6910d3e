// The state of the night as flat keys, and the views that show it: a view is told which of its keys have changed, once a frame at most.
"use strict";
(() => {
  const views = [], dirty = new Set();
  let state = {}, welcome = null, known = "", whole = false, mine = "", scheduled = false;

  // Everybody sees who is there by a number; the id, by which a browser comes back, is known to it alone.
  const me = () => state[`people.${welcome?.you.number ?? welcome?.you.id}`] ?? null;
  const roles = () => me()?.roles ?? welcome?.you.roles ?? [];
  const orders = (role) => welcome?.roles.find((each) => each.id === role)?.orders ?? [];
  const live = () => welcome?.mode === "live";
  const isTrainer = () => live() && Boolean(welcome.you.trainer);
  const has = (role) => live() && roles().includes(role);
  const may = (order) => live() && (isTrainer() || roles().some((role) => orders(role).includes(order)));

  // A tab that nobody sees keeps the state and draws nothing.
  const draw = () => {
    scheduled = false;
    if (document.hidden || !welcome) return;
    const changed = [...dirty];
    dirty.clear();
    for (const view of views) {
      const keys = changed.filter((key) => view.keys.some((each) => (each.endsWith(".") ? key.startsWith(each) : key === each)));
      if (!keys.length) continue;
      try {
        view.update(keys, state);
      } catch (error) {
        console.error(error); // one view that fails leaves the others alone
      }
    }
  };
  const schedule = () => {
    if (scheduled || document.hidden) return;
    scheduled = true;
    requestAnimationFrame(draw);
  };
  document.addEventListener("visibilitychange", schedule);

  const noticeMe = () => {
    const now = JSON.stringify([welcome?.you, me(), state.phase]);
    if (now !== mine) {
      mine = now;
      dirty.add("me");
    }
  };

  // `keys`: those that a view shows, or beginnings of keys with a dot; "me" stands for who I am and what I may do.
  const show = (view) => views.push({ keys: [], update: () => {}, start: () => {}, ...view });

  // The page is made anew only for another night: what somebody types outlives a connection.
  const begin = (message) => {
    welcome = message;
    whole = true;
    const { you, notes, ...night } = message, now = JSON.stringify([night, notes, you.trainer]);
    if (now === known) return noticeMe();
    known = now;
    for (const view of views) view.start(message);
    Object.keys(state).forEach((key) => dirty.add(key));
    dirty.add("me");
    return schedule();
  };

  const put = (key, value) => {
    if (value === null || value === undefined) delete state[key];
    else state[key] = value;
    dirty.add(key);
  };

  // The first changes after a welcome are the whole state: what they do not have is gone.
  const apply = (changes) => {
    if (whole) return replace(changes);
    for (const key of Object.keys(changes)) put(key, changes[key]);
    noticeMe();
    return schedule();
  };
  const replace = (all) => {
    whole = false;
    const before = state;
    state = Object.create(null);
    for (const key of Object.keys(before)) dirty.add(key);
    for (const key of Object.keys(all)) put(key, all[key]);
    noticeMe();
    schedule();
  };

  // Values of keys with this beginning, by what follows it, in the order of numbers.
  const under = (beginning) => Object.keys(state).filter((key) => key.startsWith(beginning))
    .map((key) => [key.slice(beginning.length), state[key]]).sort(([one], [other]) => one - other || (one < other ? -1 : 1));

  Object.assign(Classroom, {
    show, begin, apply, replace, under, may, has, isTrainer, live, roles, me, get: (key) => state[key], welcome: () => welcome,
  });
})();
