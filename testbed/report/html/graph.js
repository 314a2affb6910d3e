// Draws who waited for whom from the JSON inside each box: nodes in layers, by dagre, from left to right, or downwards where it is narrow.
"use strict";
(() => {
  const NEAR = "1200px"; // a graph is drawn when the reader comes as near as this
  const PAPER = 680; // the width of a sheet
  const SIZE = 12, LINE = 16, PAD = 6, CORNER = 14; // of letters, of lines, within a node, and without an arrow
  const THINNEST = 1.5, THICKEST = 7, HEAD = 9; // of an arrow, and its head
  // The first of these that fits is taken; where none does, the last is drawn smaller. Widths of nodes, and of what is blamed.
  const LAYOUTS = [["LR", 170, 280], ["LR", 140, 220], ["LR", 116, 190], ["TB", 190, 420], ["TB", 150, 330], ["TB", 104, 330], ["TB", 92, 330], ["TB", 80, 300]];
  const boxes = [...document.querySelectorAll(".graph")].map((box) => ({ box, data: JSON.parse(box.querySelector("script").textContent) }));
  const pencil = document.createElement("canvas").getContext("2d");

  const fonts = getComputedStyle(document.body).fontFamily;
  const known = new Map(); // the same few words are measured for every layout that is tried
  const widthOf = (text, bold) => {
    const font = `${bold ? 700 : 400} ${SIZE}px ${fonts}`, key = font + text;
    if (!known.has(key)) {
      pencil.font = font;
      known.set(key, pencil.measureText(text).width);
    }
    return known.get(key);
  };

  // Lines that fit: broken after spaces and slashes, and within a word that is wider than a line.
  const wrapped = (text, width, bold) => {
    const lines = [""];
    for (const word of text.match(/[^\s/]*[\s/]*/g)) {
      if (lines.at(-1) && widthOf(lines.at(-1) + word.trimEnd(), bold) > width) lines.push("");
      for (const letter of word) {
        if (lines.at(-1) && widthOf(lines.at(-1) + letter.trimEnd(), bold) > width) lines.push("");
        lines[lines.length - 1] += letter;
      }
    }
    return lines.map((line) => line.trim()).filter(Boolean);
  };

  const blame = ({ threads, text }, root) => [`${root ? "The root: " : ""}${threads} ${threads === 1 ? "thread waits" : "threads wait"} for this`, text];

  // What stands in a node: its name, what it is, what it waits for, and what is blamed there.
  const linesOf = (node, width) => [
    ...wrapped(node.name, width, true).map((text) => ({ text, class: "name" })),
    ...wrapped(node.kind, width).map((text) => ({ text, class: "kind" })),
    ...node.does.flatMap((one) => wrapped(one, width)).map((text) => ({ text, class: "does" })),
    ...node.blamed.flatMap((one) => {
      const [heading, text] = blame(one, node.root);
      return [...wrapped(heading, width, true).map((line) => ({ text: line, class: "blame" })), ...wrapped(text, width).map((line) => ({ text: line, class: "why" }))];
    }),
  ];

  const laidOut = (data, [rankdir, narrow, wide]) => {
    const graph = new dagre.graphlib.Graph({ multigraph: true });
    graph.setGraph({ rankdir, nodesep: 8, edgesep: 6, ranksep: rankdir === "LR" ? 40 : 28, marginx: 2, marginy: 4 });
    data.nodes.forEach((node, number) => {
      const width = node.blamed.length ? wide : narrow;
      const lines = linesOf(node, width - 2 * PAD);
      graph.setNode(String(number), { width, height: lines.length * LINE + 2 * PAD, lines, node });
    });
    data.edges.forEach((edge, number) => {
      graph.setEdge(String(edge.from), String(edge.to), { width: widthOf(String(edge.count), true) + 8, height: LINE, labelpos: "c", edge }, String(number));
    });
    dagre.layout(graph);
    return graph;
  };

  const label = (data, number) => {
    const node = data.nodes[number];
    const ways = data.edges.filter((edge) => edge.from === number).map((edge) => `${edge.count} ${edge.how}: ${data.nodes[edge.to].name}`);
    return [`${node.name}${node.kind ? `, ${node.kind}` : ""}`, ...ways, ...node.blamed.flatMap((one) => blame(one, node.root))].join("; ");
  };

  // A node and all that it leads to in the end: a circle is gone round once.
  const wayOf = (data, from) => {
    const nodes = new Set([from]);
    for (const number of nodes) data.edges.filter((edge) => edge.from === number).forEach((edge) => nodes.add(edge.to));
    return nodes;
  };

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

  const drawEdge = (layer, graph, id, most) => {
    const { x, y, width, height, edge } = graph.edge(id), points = pathOf(graph, id);
    const g = layer.append("g").attr("class", "edge").datum(edge).attr("data-count", edge.count);
    const thick = THINNEST + (THICKEST - THINNEST) * edge.count / most;
    const [before, tip] = points.slice(-2);
    const angle = Math.atan2(tip.y - before.y, tip.x - before.x), reach = HEAD + thick / 2;
    const end = { x: tip.x - reach * Math.cos(angle), y: tip.y - reach * Math.sin(angle) };
    const line = d3.line((point) => point.x, (point) => point.y).curve(graph.graph().rankdir === "LR" ? d3.curveMonotoneX : d3.curveMonotoneY);
    g.append("path").attr("d", line([...points.slice(0, -1), end])).attr("stroke-width", thick);
    const side = HEAD / 2 + thick / 2, degrees = angle * 180 / Math.PI;
    g.append("polygon").attr("points", `0,0 ${-reach},${-side} ${-reach},${side}`).attr("transform", `translate(${tip.x},${tip.y}) rotate(${degrees})`);
    g.append("rect").attr("x", x - width / 2).attr("y", y - height / 2).attr("width", width).attr("height", height).attr("rx", 3);
    g.append("text").attr("x", x).attr("y", y).attr("dy", "0.35em").text(edge.count);
  };

  const drawNode = (layer, { x, y, width, height, lines, node }, number, data) => {
    const kinds = ["node", node.blamed.length && "blamed", node.root && "root"].filter(Boolean).join(" ");
    const g = layer.append("g").attr("class", kinds).datum(number).attr("transform", `translate(${x - width / 2},${y - height / 2})`)
      .attr("tabindex", 0).attr("role", "img").attr("aria-label", label(data, number)).attr("data-name", node.name);
    g.append("rect").attr("width", width).attr("height", height).attr("rx", 5);
    g.append("rect").attr("class", "inner").attr("x", 4).attr("y", 4).attr("width", width - 8).attr("height", height - 8).attr("rx", 3);
    lines.forEach((line, row) => g.append("text").attr("class", line.class).attr("x", PAD).attr("y", PAD + LINE * row + SIZE).text(line.text));
    return g;
  };

  const draw = ({ box, data }, available) => {
    const room = Math.floor(available);
    if (room <= 0 || box.dataset.drawn === String(room)) return;
    let graph;
    for (const layout of LAYOUTS) {
      graph = laidOut(data, layout);
      if (graph.graph().width <= room) break;
    }
    const { width, height } = graph.graph();
    const svg = d3.create("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("width", width).attr("height", height)
      .attr("font-size", SIZE).attr("font-family", "inherit");
    const most = d3.max(data.edges, (edge) => edge.count);
    graph.edges().forEach((id) => drawEdge(svg, graph, id, most));
    const choose = (number) => {
      const way = number === null ? null : wayOf(data, number);
      svg.classed("chosen", way !== null);
      svg.selectAll(".node").classed("way", (each) => way?.has(each));
      svg.selectAll(".edge").classed("way", (edge) => way?.has(edge.from));
    };
    graph.nodes().forEach((id) => {
      drawNode(svg, graph.node(id), Number(id), data).on("focus mouseenter", () => choose(Number(id))).on("blur mouseleave", () => choose(null));
    });
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    box.querySelector("svg")?.remove();
    box.append(svg.node());
    box.dataset.drawn = String(room);
    if (focused !== null) [...box.querySelectorAll(".node")].find((node) => node.dataset.name === focused)?.focus();
  };

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(boxes.find(({ box }) => box === entry.target), entry.boundingClientRect.width);
    }
  }, { rootMargin: NEAR });
  const drawAgain = () => boxes.forEach(({ box }) => { near.unobserve(box); near.observe(box); });

  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; drawAgain(); } });
  window.addEventListener("beforeprint", () => boxes.forEach((one) => draw(one, PAPER)));
  window.addEventListener("afterprint", drawAgain);
  drawAgain();
})();
