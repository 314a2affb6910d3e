// The map of the facility: nodes by kind from left to right, or downwards where it is narrow, and the links between them.
"use strict";
(() => {
  const { svg, by, setAttribute, setHidden, mapNodes } = Classroom;
  const KINDS = ["passengers", "caller", "balancer", "server", "virtual_ip", "database"];
  const WIDTHS = { passengers: 136, caller: 222, balancer: 158, server: 244, virtual_ip: 118, database: 118 };
  const NARROWEST = { passengers: 200, caller: 160, balancer: 160, server: 160, virtual_ip: 160, database: 112 };
  const WIDE = 1200, FROM = 900, BETWEEN = 14, LAYER = 30; // the drawing's width, and the page's from which it is used
  const THREADS = 40; // cells for which there is room before anything has been seen
  let nodes = [], links = [], drawn = "", needed = "";

  const get = (key) => Classroom.get(key);

  const peersOf = (map, name) => map.links.filter(([from]) => from === name).map(([, to]) => to);

  const columns = (map, made) => {
    const kinds = KINDS.filter((kind) => made.some((node) => node.kind === kind));
    const used = kinds.reduce((sum, kind) => sum + WIDTHS[kind], 0), gap = kinds.length > 1 ? (WIDE - used) / (kinds.length - 1) : 0;
    const heights = kinds.map((kind) => {
      const those = made.filter((node) => node.kind === kind);
      return those.reduce((sum, node) => sum + node.height, 0) + (those.length - 1) * BETWEEN;
    });
    const height = Math.max(...heights) + 4;
    let x = 0;
    kinds.forEach((kind, number) => {
      let y = (height - heights[number]) / 2;
      for (const node of made.filter((each) => each.kind === kind)) {
        Object.assign(node, { x, y });
        y += node.height + BETWEEN;
      }
      x += WIDTHS[kind] + gap;
    });
    return { width: WIDE, height };
  };

  const rowsOf = (those, width) => {
    const most = Math.max(1, Math.floor((width + BETWEEN) / (NARROWEST[those[0].kind] + BETWEEN)));
    const lines = Math.ceil(those.length / most), each = Math.ceil(those.length / lines);
    return Array.from({ length: lines }, (_, line) => those.slice(line * each, (line + 1) * each));
  };
  const rows = (made, width) => {
    let y = 2;
    for (const kind of KINDS) {
      const those = made.filter((node) => node.kind === kind);
      if (!those.length) continue;
      for (const row of rowsOf(those, width)) {
        const total = row.reduce((sum, node) => sum + node.width, 0) + (row.length - 1) * BETWEEN;
        let x = (width - total) / 2;
        for (const node of row) {
          Object.assign(node, { x, y });
          x += node.width + BETWEEN;
        }
        y += Math.max(...row.map((node) => node.height)) + BETWEEN;
      }
      y += LAYER - BETWEEN;
    }
    return { width, height: y - LAYER + 4 };
  };

  const pathOf = (from, to, wide) => {
    if (wide) {
      const [x1, y1, x2, y2] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2], middle = (x1 + x2) / 2;
      return `M${x1},${y1}C${middle},${y1} ${middle},${y2} ${x2},${y2}`;
    }
    const [x1, y1, x2, y2] = [from.x + from.width / 2, from.y + from.height, to.x + to.width / 2, to.y], middle = (y1 + y2) / 2;
    return `M${x1},${y1}C${x1},${middle} ${x2},${middle} ${x2},${y2}`;
  };

  // How many cells the services of each kind need: the most that one of them has, of threads and of connections.
  const sizes = () => Object.fromEntries(["caller", "server"].map((kind) => {
    const services = (Classroom.welcome()?.map.nodes ?? []).filter((node) => node.kind === kind).map(({ name }) => get(`services.${name}`));
    const most = (numbers) => Math.max(0, ...numbers.filter(Number.isInteger)) || THREADS;
    return [kind, [most(services.map((one) => one?.threads)), most(services.map((one) => one?.pool?.size))]];
  }));

  const draw = () => {
    const box = by("map-drawing"), map = Classroom.welcome()?.map, room = Math.floor(box.clientWidth);
    if (!map || room <= 0) return;
    const wide = room >= FROM, width = wide ? WIDE : Math.max(320, room);
    const layout = JSON.stringify([map, wide || width, sizes()]);
    if (layout === drawn) return;
    drawn = layout;
    needed = JSON.stringify(sizes());
    nodes = map.nodes.filter((node) => KINDS.includes(node.kind)).map(({ name, kind }) => {
      const those = map.nodes.filter((each) => each.kind === kind);
      const inRow = rowsOf(those, width)[0].length;
      const node = { name, kind, peers: peersOf(map, name), group: svg("g", { class: `node ${kind}`, "data-name": name }) };
      node.width = wide ? WIDTHS[kind] : Math.min(WIDTHS[kind], (width - (inRow - 1) * BETWEEN) / inRow);
      [node.threads, node.pool] = sizes()[kind] ?? [THREADS, THREADS];
      node.frame = svg("rect", { class: "frame", width: node.width, rx: 6 });
      node.group.append(node.frame);
      node.update = mapNodes.make[kind](node);
      return node;
    });
    const { width: across, height } = wide ? columns(map, nodes) : rows(nodes, width);
    for (const node of nodes) {
      node.frame.setAttribute("height", node.height);
      node.group.setAttribute("transform", `translate(${node.x},${node.y})`);
      node.update(get);
    }
    const named = new Map(nodes.map((node) => [node.name, node]));
    links = map.links.filter(([from, to]) => named.has(from) && named.has(to)).map(([from, to]) => {
      const path = svg("path", { class: "link", d: pathOf(named.get(from), named.get(to), wide), "data-from": from, "data-to": to });
      return { from: named.get(from), to: named.get(to), path };
    });
    const picture = svg("svg", { viewBox: `-2 -2 ${across + 4} ${height + 4}`, role: "img", "aria-label": Classroom.text("map.label"), focusable: "false" });
    picture.append(...links.map(({ path }) => path), ...nodes.map(({ group }) => group));
    box.replaceChildren(picture);
    showLinks();
  };

  // The virtual IP leads to one host at a time; what leads to a server that is not up is broken.
  const showLinks = () => {
    const host = get("virtual_ip");
    for (const { from, to, path } of links) {
      if (from.kind === "virtual_ip") setAttribute(path, "data-on", host === to.name);
      else if (to.kind === "caller" || to.kind === "server") setAttribute(path, "data-broken", get(`services.${to.name}`)?.runs === false);
    }
  };

  // A sign that is not drawn before the reveal is not told of before it, either.
  const showLegend = () => {
    const leaked = Classroom.under("services.").some(([, value]) => Number.isFinite(value?.pool?.leaked));
    setHidden(by("legend-leaked"), !leaked);
  };

  // Which nodes show a key: services.cf-1 is cf-1's.
  const shownBy = (key) => nodes.filter(({ name, kind }) => key === kind || (key.includes(".") && key.slice(key.indexOf(".") + 1) === name));

  Classroom.show({
    keys: ["services.", "hosts.", "virtual_ip", "balancers.", "passengers", "passengers."],
    start: () => { drawn = ""; draw(); },
    update: (keys) => {
      // It is drawn anew only where somebody turns out to have another number of threads; who is not seen for a while keeps the room.
      const services = keys.some((key) => key.startsWith("services.") && Number.isInteger(get(key)?.threads));
      if (services && JSON.stringify(sizes()) !== needed) draw();
      for (const node of new Set(keys.flatMap(shownBy))) node.update(get);
      if (keys.some((key) => key.startsWith("services."))) showLegend();
      if (keys.some((key) => key === "virtual_ip" || key.startsWith("services."))) showLinks();
    },
  });
  Classroom.watchMap = () => new ResizeObserver(draw).observe(by("map-drawing"));
})();
