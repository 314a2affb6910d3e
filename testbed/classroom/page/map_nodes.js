// What stands in each kind of node of the map, and how tall that makes it: `make` draws it once, and the function it returns shows the state.
"use strict";
(() => {
  const { svg, text, word, number, setText, setAttribute, cells, cellsHeight } = Classroom;
  const PAD = 10, LINE = 17, HEAD = 30, CELL = 12, WIDE_CELLS = 200;
  const LAMPS = { // one shape for each, so that it is seen without its colour
    green: "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0",
    red: "M-7,-7L7,7M7,-7L-7,7",
    unknown: "M-6,-6H6V6H-6Z",
  };

  const health = (value) => (value === true || value === "green" ? "green" : value === false || value === "red" ? "red" : "unknown");

  // A line with something at its left, and a number at its right.
  const line = (node, y, label = "", kind = "") => {
    const left = svg("text", { x: PAD, y, class: `label ${kind}` }), right = svg("text", { x: node.width - PAD, y, class: `value ${kind}` });
    setText(left, label);
    node.group.append(left, right);
    return (value, other) => {
      setText(right, value);
      if (other !== undefined) setText(left, other);
    };
  };

  const shortened = (name, width, letter) => {
    const most = Math.max(3, Math.floor(width / letter));
    return name.length > most ? `${name.slice(0, most - 1)}…` : name;
  };

  const heading = (node, lamp) => {
    const shift = lamp ? 20 : 0, name = svg("text", { x: PAD + shift, y: 21, class: "name" });
    name.textContent = shortened(node.label ?? node.name, node.width - 2 * PAD - shift, 9);
    node.group.append(svg("title", {}, node.name), name);
    if (!lamp) return null;
    const shape = svg("path", { class: "lamp unknown", d: LAMPS.unknown, transform: `translate(${PAD + 6},16)` });
    node.group.append(shape);
    return (value) => {
      const found = health(value);
      setAttribute(shape, "class", `lamp ${found}`);
      setAttribute(shape, "d", LAMPS[found]);
    };
  };

  const columnsOf = (width) => (width >= WIDE_CELLS ? 20 : 10);
  const seen = (value) => Number.isFinite(value);
  const plus = (value) => (seen(value) && value > 0 ? `${text("map.plus", { n: value })}\u00a0\u00a0` : "");
  const share = (value, of, wide) => text(wide ? "map.share" : "map.share_short", { n: seen(value) ? value : "?", of: seen(of) ? of : "?" });

  // Threads, and of a server its connections: a word, so many of so many, how many wait for one, and cells.
  const gauge = (node, y, label, most) => {
    const wide = node.width >= WIDE_CELLS, inner = node.width - 2 * PAD, columns = columnsOf(inner);
    const queue = svg("tspan", { class: "queue" }), told = svg("tspan");
    const row = cells(PAD, y + LINE + 1, inner, columns, CELL);
    line(node, y + 12, label);
    node.group.append(svg("text", { x: node.width - PAD, y: y + 12, class: "value" }, queue, told), row.group);
    const height = LINE + 3 + cellsHeight(most, columns, CELL);
    const show = (count, of, waiting, kinds) => {
      setText(queue, plus(waiting));
      setText(told, share(count, of, wide));
      row.fill(of, kinds);
    };
    return { height, show };
  };

  const passengersLines = (node, y, names) => {
    const lines = names.map((name, row) => line(node, y + 12 + row * LINE, word("passengers", name), name));
    return (value) => names.forEach((name, row) => lines[row](value ? number(value[name]) : text("unknown_short")));
  };

  const condition = (value) => (!value ? "unseen" : value.runs === false ? "stopped" : value.stuck ? "stuck" : value.seen === false ? "unseen" : "runs");

  const service = (node, state, pool) => {
    const lamp = heading(node, true), told = line(node, HEAD + 12, "", "condition");
    let y = HEAD + LINE + 2;
    const threads = gauge(node, y, text("map.threads"), node.threads);
    y += threads.height + 6;
    const connections = pool ? gauge(node, y, text("map.pool"), node.pool) : null;
    if (connections) y += connections.height + 6;
    const passengers = pool ? null : passengersLines(node, y, ["answered", "failed", "waiting"]);
    if (passengers) y += 3 * LINE + 4;
    node.height = y + 2;
    return (get) => {
      const value = get(`services.${node.name}`), found = condition(value);
      lamp(value?.health);
      setAttribute(node.group, "data-condition", found);
      const light = health(value?.health), short = light === "unknown" && node.width < WIDE_CELLS; // the words would lie over the condition's
      told(text("map.lamp", { lamp: short ? "?" : word("lamps", light) }), word("conditions_of_services", found));
      const busy = value?.busy ?? null, of = value?.threads ?? null, stuck = value?.stuck ? "stuck" : "busy";
      threads.show(busy, of, value?.waiting, seen(busy) ? [[stuck, busy]] : [["unseen", Infinity]]);
      if (connections) {
        const about = value?.pool ?? null, out = about?.out ?? null, leaked = Math.min(about?.leaked ?? 0, out ?? 0);
        connections.show(out, about?.size ?? null, about?.waiting, seen(out) ? [["leaked", leaked], ["out", out - leaked]] : [["unseen", Infinity]]);
      }
      passengers?.(get(`passengers.${node.name}`));
    };
  };

  const MAKERS = {
    passengers: (node) => {
      node.label = text("map.passengers");
      heading(node);
      const lines = passengersLines(node, HEAD, ["sent", "answered", "failed", "waiting"]);
      node.height = HEAD + 4 * LINE + 8;
      return (get) => lines(get("passengers"));
    },
    caller: (node) => service(node, null, false),
    server: (node) => service(node, null, true),
    balancer: (node) => {
      heading(node);
      const lines = node.peers.map((peer, row) => [peer, line(node, HEAD + 12 + row * LINE, peer)]);
      node.height = HEAD + Math.max(1, lines.length) * LINE + 8;
      return (get) => {
        const servers = get(`balancers.${node.name}`)?.servers ?? [];
        for (const [peer, told] of lines) {
          const one = servers.find((each) => each.server === peer);
          told(one ? text("map.balanced", { status: word("statuses", one.status), sessions: one.sessions ?? "?" }) : text("unknown_short"));
        }
      };
    },
    virtual_ip: (node) => {
      node.label = text("map.virtual_ip");
      heading(node);
      const told = line(node, HEAD + 12, text("map.at"));
      node.height = HEAD + LINE + 8;
      return (get) => told(shortened(word("hosts", get("virtual_ip") ?? "unknown"), node.width / 2, 8));
    },
    database: (node) => {
      heading(node);
      const told = line(node, HEAD + 12, "", "condition");
      node.height = HEAD + LINE + 8;
      return (get) => {
        const state = get(`hosts.${node.name}`)?.state ?? "unknown";
        setAttribute(node.group, "data-state", state);
        told("", word("hosts", state));
      };
    },
  };

  Classroom.mapNodes = { make: MAKERS, health, condition };
})();
