// The connection to the server: it comes back by itself, with the same identity; orders go out, and each has a reply or a text why not.
"use strict";
(() => {
  const { text } = Classroom;
  const SOONEST_S = 0.5, LATEST_S = 5; // of the next try
  const REPLY_S = 30, LONG_REPLY_S = 180;
  const LONG = new Set(["restart", "dump", "collect", "next_step", "prevent", "end", "reveal", "step"]);
  const WHOLE_NIGHT = new Set(["switchover"]); // its reply comes after its last step, for each of which somebody waits
  const SILENT_S = 20, LISTEN_S = 2; // for how long a server may say nothing, and how often that is looked at
  const waiting = new Map();
  let socket = null, heard_ms = 0, number = 0, wait_s = SOONEST_S, timer = null, status = () => {};

  const address = () => {
    const url = new URL("socket", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const id = Classroom.identity.id();
    if (id) url.searchParams.set("id", id);
    return url.href;
  };

  const settle = (n, reply) => {
    const asked = waiting.get(n);
    if (!asked) return;
    waiting.delete(n);
    clearTimeout(asked.timer);
    asked.resolve(reply);
  };

  const received = (message) => {
    if (message.is === "welcome") {
      wait_s = SOONEST_S;
      status("");
      Classroom.identity.keepId(message.you.id);
      Classroom.begin(message);
      const { name, roles } = Classroom.identity.joined();
      if (name) order("join", { name, roles });
    } else if (message.is === "set") Classroom.apply(message.state);
    else if (message.is === "reply") settle(message.n, message);
  };

  const connect = () => {
    clearTimeout(timer);
    const mine = new WebSocket(address());
    socket = mine;
    heard_ms = performance.now();
    mine.addEventListener("message", ({ data }) => {
      if (mine !== socket) return;
      heard_ms = performance.now();
      let message;
      try {
        message = JSON.parse(data);
      } catch {
        return; // no message of ours
      }
      received(message);
    });
    mine.addEventListener("close", () => lost(mine));
  };
  const lost = (mine) => {
    if (mine !== socket || !mine) return;
    socket = null;
    for (const n of [...waiting.keys()]) settle(n, { ok: false, text: text("connection.lost_order") });
    status(text("connection.lost"));
    timer = setTimeout(connect, wait_s * 1000 * (0.5 + Math.random()));
    wait_s = Math.min(LATEST_S, wait_s * 2);
  };
  // A network that is gone says nothing, and a browser believes in its connection for minutes; the clock of a facility that is up never stops.
  const drop = () => {
    const mine = socket;
    lost(mine);
    mine?.close();
  };
  const listen = () => {
    const silent_s = (performance.now() - heard_ms) / 1000, opening = socket?.readyState === WebSocket.CONNECTING;
    const up = socket !== null && ["ready", "night", "ending"].includes(Classroom.get("phase"));
    if ((opening || up) && silent_s > SILENT_S && !document.hidden) drop();
  };

  // Returns a promise of the reply; it is kept in any case, with `ok` false and a text where none came.
  const order = (name, fields = {}) => new Promise((resolve) => {
    if (socket?.readyState !== WebSocket.OPEN) {
      resolve({ ok: false, text: text("connection.not_connected") });
      return;
    }
    number += 1;
    const n = number, within_s = LONG.has(name) ? LONG_REPLY_S : REPLY_S;
    const late = () => settle(n, { ok: false, text: text("connection.late", { seconds: within_s }) });
    waiting.set(n, { resolve, timer: WHOLE_NIGHT.has(name) ? null : setTimeout(late, within_s * 1000) });
    socket.send(JSON.stringify({ n, order: name, ...fields }));
  });

  // A machine that was asleep tries at once.
  const hurry = () => { if (!socket && timer !== null && !document.hidden) connect(); };
  document.addEventListener("visibilitychange", hurry);
  window.addEventListener("online", hurry);
  window.addEventListener("offline", drop);

  const open = (told) => {
    status = told;
    status(text("connection.first"));
    setInterval(listen, LISTEN_S * 1000);
    connect();
  };
  Object.assign(Classroom, { open, order });
})();
