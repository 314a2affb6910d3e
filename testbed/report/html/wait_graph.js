// Draws who waits for whom as SVG: nodes in layers, by dagre, from left to right, or downwards where it is narrow. For the report, and for
// the page of a class; each has its own words, and decides what else its nodes do.
"use strict";
window.WaitGraph = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const CORNER = 14; // of a node, without an arrow
  const THINNEST = 1.5, THICKEST = 7, HEAD = 9; // of an arrow, and its head
  const UNIT = 12; // the size of letters for which all other lengths are written
  // The first of these that fits is taken; where none does, the last is drawn smaller. Widths of nodes, and of what is blamed.
  const LAYOUTS = [["LR", 170, 280], ["LR", 140, 220], ["LR", 116, 190], ["TB", 190, 420], ["TB", 150, 330], ["TB", 104, 330], ["TB", 92, 330], ["TB", 80, 300]];
  const MOST = 400; // characters of a text in a node
  const known = new Map(); // the same few words are measured for every layout that is tried
  let pencil = null;

  const svg = (tag, attributes, ...children) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const widthOf = (text, size, bold) => {
    pencil ??= document.createElement("canvas").getContext("2d");
    const font = `${bold ? 700 : 400} ${size}px ${getComputedStyle(document.body).fontFamily}`, key = font + text;
    if (!known.has(key)) {
      pencil.font = font;
      known.set(key, pencil.measureText(text).width);
    }
    return known.get(key);
  };

  // Lines that fit: broken after spaces and slashes, and within a word that is wider than a line.
  const wrapped = (text, width, size, bold) => {
    const lines = [""];
    for (const word of String(text ?? "").slice(0, MOST).match(/[^\s/]*[\s/]*/g)) {
      if (lines.at(-1) && widthOf(lines.at(-1) + word.trimEnd(), size, bold) > width) lines.push("");
      for (const letter of word) {
        if (lines.at(-1) && widthOf(lines.at(-1) + letter.trimEnd(), size, bold) > width) lines.push("");
        lines[lines.length - 1] += letter;
      }
    }
    return lines.map((line) => line.trim()).filter(Boolean);
  };

  // What stands in a node: its name, what it is, what it waits for, and what is blamed there.
  const linesOf = (node, width, { size, blame }) => {
    const lines = (kind, text, bold) => wrapped(text, width, size, bold).map((line) => ({ kind, text: line }));
    return [
      ...lines("name", node.name, true), ...lines("kind", node.kind), ...(node.does ?? []).flatMap((one) => lines("does", one)),
      ...(node.blamed ?? []).flatMap((one) => [...lines("blame", blame(one, node.root), true), ...lines("why", one.text)]),
    ];
  };

  const laidOut = (data, [rankdir, narrow, wide], style) => {
    const graph = new dagre.graphlib.Graph({ multigraph: true }), { scale, pad, line, size } = style;
    graph.setGraph({ rankdir, nodesep: 8 * scale, edgesep: 6, ranksep: (rankdir === "LR" ? 40 : 28) * scale, marginx: 2, marginy: 4 });
    data.nodes.forEach((node, number) => {
      const width = Math.round((node.blamed?.length ? wide : narrow) * scale), lines = linesOf(node, width - 2 * pad, style);
      graph.setNode(String(number), { width, height: lines.length * line + 2 * pad, lines, node });
    });
    data.edges.forEach((edge, number) => graph.setEdge(String(edge.from), String(edge.to),
      { width: widthOf(String(edge.count), size, true) + 8, height: line, labelpos: "c", edge }, String(number)));
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

  const drawnArrow = (graph, id, most) => {
    const { edge } = graph.edge(id), points = pathOf(graph, id), thick = THINNEST + (THICKEST - THINNEST) * edge.count / most;
    const [before, tip] = points.slice(-2), angle = Math.atan2(tip.y - before.y, tip.x - before.x), reach = HEAD + thick / 2, side = HEAD / 2 + thick / 2;
    const end = { x: tip.x - reach * Math.cos(angle), y: tip.y - reach * Math.sin(angle) };
    return svg("g", { class: "edge", "data-count": edge.count, "data-from": id.v },
      svg("path", { d: curve([...points.slice(0, -1), end]), "stroke-width": thick }),
      svg("polygon", { points: `0,0 ${-reach},${-side} ${-reach},${side}`, transform: `translate(${tip.x},${tip.y}) rotate(${angle * 180 / Math.PI})` }));
  };
  // Above all arrows: one that crosses must not hide how many wait.
  const drawnCount = ({ x, y, width, height, edge }) => svg("g", { class: "count" },
    svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 3 }),
    svg("text", { x, y, dy: "0.35em" }, edge.count));

  const drawnNode = ({ x, y, width, height, lines, node }, { line, pad, size, name }) => {
    const kinds = [name, node.blamed?.length && "blamed", node.root && "root"].filter(Boolean).join(" ");
    return svg("g", { class: kinds, transform: `translate(${x - width / 2},${y - height / 2})`, "data-name": node.name },
      svg("rect", { width, height, rx: 5 }),
      svg("rect", { class: "inner", x: 4, y: 4, width: width - 8, height: height - 8, rx: 3 }),
      ...lines.map(({ kind, text }, row) => svg("text", { class: kind, x: pad, y: pad + line * row + size }, text)));
  };

  // Returns the picture, its nodes by their numbers, and its edges, each with what the data say of it and what is drawn. `size`: of letters; `name`: the class
  // of nodes; `blame`: the words above what is blamed.
  const draw = (data, room, { size = UNIT, name = "node", blame }) => {
    const style = { size, name, blame, scale: size / UNIT, line: size + 4, pad: size - 6 };
    let graph;
    for (const layout of LAYOUTS) {
      graph = laidOut(data, layout, style);
      if (graph.graph().width <= room) break;
    }
    const { width, height } = graph.graph(), most = Math.max(1, ...data.edges.map((edge) => edge.count));
    const edges = graph.edges().map((id) => ({ edge: graph.edge(id).edge, elements: [drawnArrow(graph, id, most), drawnCount(graph.edge(id))] }));
    const nodes = graph.nodes().map((id) => ({ number: Number(id), element: drawnNode(graph.node(id), style) }));
    const all = [...edges.map(({ elements }) => elements[0]), ...edges.map(({ elements }) => elements[1]), ...nodes.map(({ element }) => element)];
    return { picture: svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "font-size": size, "font-family": "inherit" }, ...all), nodes, edges };
  };

  return { draw };
})();
