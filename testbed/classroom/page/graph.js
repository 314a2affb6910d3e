// Draws who waits for whom: nodes in layers, by dagre, from left to right, or downwards where it is narrow; and the same as a list.
"use strict";
(() => {
  const { el, svg, by, text, setHidden, setText, said, nightText } = Classroom;
  const SIZE = 13, LINE = 17, PAD = 7, CORNER = 14; // of letters, of lines, within a node, and without an arrow
  const THINNEST = 1.5, THICKEST = 7, HEAD = 9; // of an arrow, and its head
  // The first of these that fits is taken; where none does, the last is drawn smaller. Widths of nodes, and of what is blamed.
  const LAYOUTS = [["LR", 180, 290], ["LR", 150, 230], ["LR", 124, 200], ["TB", 190, 420], ["TB", 150, 330], ["TB", 104, 330], ["TB", 88, 300]];
  const MOST = 400; // characters of a text in a node
  const known = new Map();
  let pencil = null, drawn = "";

  const widthOf = (words, bold) => {
    pencil ??= document.createElement("canvas").getContext("2d");
    const font = `${bold ? 700 : 400} ${SIZE}px ${getComputedStyle(document.body).fontFamily}`, key = font + words;
    if (!known.has(key)) {
      pencil.font = font;
      known.set(key, pencil.measureText(words).width);
    }
    return known.get(key);
  };

  // Lines that fit: broken after spaces and slashes, and within a word that is wider than a line.
  const wrapped = (words, width, bold) => {
    const lines = [""];
    for (const word of String(words ?? "").slice(0, MOST).match(/[^\s/]*[\s/]*/g)) {
      if (lines.at(-1) && widthOf(lines.at(-1) + word.trimEnd(), bold) > width) lines.push("");
      for (const letter of word) {
        if (lines.at(-1) && widthOf(lines.at(-1) + letter.trimEnd(), bold) > width) lines.push("");
        lines[lines.length - 1] += letter;
      }
    }
    return lines.map((line) => line.trim()).filter(Boolean);
  };

  const blame = (one, root) => text(root ? "graph.root" : "graph.blamed", { n: one.threads });
  const linesOf = (node, width) => [
    ...wrapped(node.name, width, true).map((line) => ({ line, kind: "name" })),
    ...wrapped(node.kind, width).map((line) => ({ line, kind: "kind" })),
    ...(node.does ?? []).flatMap((one) => wrapped(one, width)).map((line) => ({ line, kind: "does" })),
    ...(node.blamed ?? []).flatMap((one) => [
      ...wrapped(blame(one, node.root), width, true).map((line) => ({ line, kind: "blame" })), ...wrapped(one.text, width).map((line) => ({ line, kind: "why" })),
    ]),
  ];

  const laidOut = (data, [rankdir, narrow, wide]) => {
    const graph = new dagre.graphlib.Graph({ multigraph: true });
    graph.setGraph({ rankdir, nodesep: 10, edgesep: 6, ranksep: rankdir === "LR" ? 44 : 30, marginx: 2, marginy: 4 });
    data.nodes.forEach((node, number) => {
      const width = node.blamed?.length ? wide : narrow, lines = linesOf(node, width - 2 * PAD);
      graph.setNode(String(number), { width, height: lines.length * LINE + 2 * PAD, lines, node });
    });
    data.edges.forEach((edge, number) => graph.setEdge(String(edge.from), String(edge.to),
      { width: widthOf(String(edge.count), true) + 8, height: LINE, labelpos: "c", edge }, String(number)));
    dagre.layout(graph);
    return graph;
  };

  // Through the middles between the points that dagre gives.
  const curve = (points) => points.slice(1).reduce((path, point, number) => {
    const next = points[number + 2];
    return next ? `${path}Q${point.x},${point.y} ${(point.x + next.x) / 2},${(point.y + next.y) / 2}` : `${path}L${point.x},${point.y}`;
  }, `M${points[0].x},${points[0].y}`);

  // An arrow that leads forward leaves and meets its nodes at the sides that face each other; one that leads back goes as dagre says.
  const pathOf = (graph, id) => {
    const { points } = graph.edge(id), from = graph.node(id.v), to = graph.node(id.w);
    const [along, across, long, wide] = graph.graph().rankdir === "LR" ? ["x", "y", "width", "height"] : ["y", "x", "height", "width"];
    if (from[along] + from[long] / 2 >= to[along] - to[long] / 2) return points;
    const within = (node, at) => Math.max(node[across] - node[wide] / 2 + CORNER, Math.min(node[across] + node[wide] / 2 - CORNER, at));
    const begin = { [along]: from[along] + from[long] / 2, [across]: within(from, points[1][across]) };
    const end = { [along]: to[along] - to[long] / 2, [across]: within(to, points.at(-2)[across]) };
    return [begin, ...points.slice(1, -1), end];
  };

  const drawEdge = (graph, id, most) => {
    const { x, y, width, height, edge } = graph.edge(id), points = pathOf(graph, id), thick = THINNEST + (THICKEST - THINNEST) * edge.count / most;
    const [before, tip] = points.slice(-2), angle = Math.atan2(tip.y - before.y, tip.x - before.x), reach = HEAD + thick / 2, side = HEAD / 2 + thick / 2;
    const end = { x: tip.x - reach * Math.cos(angle), y: tip.y - reach * Math.sin(angle) };
    const number = svg("text", { x, y, dy: "0.35em" });
    number.textContent = edge.count;
    return svg("g", { class: "edge", "data-from": id.v },
      svg("path", { d: curve([...points.slice(0, -1), end]), "stroke-width": thick }),
      svg("polygon", { points: `0,0 ${-reach},${-side} ${-reach},${side}`, transform: `translate(${tip.x},${tip.y}) rotate(${angle * 180 / Math.PI})` }),
      svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 3 }), number);
  };
  const drawNode = ({ x, y, width, height, lines, node }) => {
    const kinds = ["waiter", node.blamed?.length && "blamed", node.root && "root"].filter(Boolean).join(" ");
    const g = svg("g", { class: kinds, transform: `translate(${x - width / 2},${y - height / 2})`, "data-name": node.name },
      svg("rect", { width, height, rx: 5 }), svg("rect", { class: "inner", x: 4, y: 4, width: width - 8, height: height - 8, rx: 3 }));
    lines.forEach(({ line, kind }, row) => {
      const one = svg("text", { class: kind, x: PAD, y: PAD + LINE * row + SIZE });
      one.textContent = line;
      g.append(one);
    });
    return g;
  };

  // What each node waits for, in words.
  const listOf = (data) => data.nodes.flatMap((node, number) => {
    const ways = data.edges.filter((edge) => edge.from === number).map((edge) => el("li", {}, text("graph.way", { n: edge.count }), said(edge.how), text("graph.to"), said(data.nodes[edge.to].name)));
    const why = (node.blamed ?? []).map((one) => el("li", {}, el("strong", {}, blame(one, node.root)), " ", said(one.text)));
    return ways.length || why.length ? [el("li", {}, el("strong", {}, said(node.name)), el("ul", {}, ...ways, ...why))] : [];
  });

  const draw = () => {
    const box = by("waits-graph"), waits = Classroom.get("waits"), data = waits?.graph, room = Math.floor(by("waits").clientWidth);
    if (!data?.nodes?.length || room <= 0) {
      if (!data?.nodes?.length) box.replaceChildren();
      return;
    }
    const now = `${room} ${JSON.stringify(data)}`;
    if (now === drawn && box.firstChild) return;
    drawn = now;
    let graph;
    for (const layout of LAYOUTS) {
      graph = laidOut(data, layout);
      if (graph.graph().width <= room) break;
    }
    const { width, height } = graph.graph(), most = Math.max(1, ...data.edges.map((edge) => edge.count));
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "font-size": SIZE, role: "img", "aria-label": text("graph.label"), focusable: "false" });
    picture.append(...graph.edges().map((id) => drawEdge(graph, id, most)), ...graph.nodes().map((id) => drawNode(graph.node(id))));
    box.replaceChildren(picture);
    by("waits-list").replaceChildren(...listOf(data));
  };

  const show = () => {
    const waits = Classroom.get("waits"), there = Boolean(waits?.graph?.nodes?.length);
    setText(by("waits-told"), !waits ? text("graph.none") : there ? text("graph.at", { time: nightText(waits.night_s) }) : text("graph.nobody", { time: nightText(waits.night_s) }));
    setHidden(by("waits-words"), !there);
    by("waits-missing").replaceChildren(...(waits?.missing ?? []).map((each) => el("li", {}, text("graph.missing"), said(each))));
    draw();
  };

  Classroom.show({ keys: ["waits"], start: show, update: show });
  Classroom.watchGraph = () => new ResizeObserver(draw).observe(by("waits"));
})();
