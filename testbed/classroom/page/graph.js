// Who waits for whom, drawn as the report draws it (wait_graph.js, which is the report's), and the same as a list.
"use strict";
(() => {
  const { el, by, text, setHidden, setText, said, nightText } = Classroom;
  const SIZE = 13; // of letters
  const UNNAMED = /^\? \d+$/; // as the server calls what the class is to find
  let drawn = "";

  const blame = (one, root) => text(root ? "graph.root" : "graph.blamed", { n: one.threads });

  // What each node waits for, in words.
  const listOf = (data) => data.nodes.flatMap((node, number) => {
    const ways = data.edges.filter((edge) => edge.from === number).map((edge) => el("li", {}, text("graph.way", { n: edge.count }), said(edge.how), text("graph.to"), said(data.nodes[edge.to].name)));
    const why = (node.blamed ?? []).map((one) => el("li", {}, el("strong", {}, blame(one, node.root)), " ", said(one.text)));
    return ways.length || why.length ? [el("li", {}, el("strong", {}, said(node.name)), el("ul", {}, ...ways, ...why))] : [];
  });

  // What the class is to find has no kind, either.
  const shown = (graph) => graph && { ...graph, nodes: graph.nodes?.map((node) => (UNNAMED.test(node.name) ? { ...node, kind: text("graph.to_find") } : node)) };

  const draw = () => {
    const box = by("waits-graph"), data = shown(Classroom.get("waits")?.graph), room = Math.floor(by("waits").clientWidth);
    if (!data?.nodes?.length || room <= 0) {
      if (!data?.nodes?.length) box.replaceChildren();
      return;
    }
    const now = `${room} ${JSON.stringify(data)}`;
    if (now === drawn && box.firstChild) return;
    drawn = now;
    const { picture } = WaitGraph.draw(data, room, { size: SIZE, name: "waiter", blame });
    for (const [name, value] of Object.entries({ role: "img", "aria-label": text("graph.label"), focusable: "false" })) picture.setAttribute(name, value);
    box.replaceChildren(picture);
    by("waits-list").replaceChildren(...listOf(data));
  };

  const show = () => {
    const waits = Classroom.get("waits"), there = Boolean(waits?.graph?.nodes?.length);
    setText(by("waits-told"), !waits ? text("graph.none") : there ? text("graph.at", { time: nightText(waits.night_s) }) : text("graph.nobody", { time: nightText(waits.night_s) }));
    setHidden(by("waits-words"), !there);
    setHidden(by("waits-unnamed"), !waits?.graph?.nodes?.some((node) => UNNAMED.test(node.name)));
    by("waits-missing").replaceChildren(...(waits?.missing ?? []).map((each) => el("li", {}, text("graph.missing"), said(each))));
    draw();
  };

  Classroom.show({ keys: ["waits"], start: show, update: show });
  Classroom.watchGraph = () => new ResizeObserver(draw).observe(by("waits"));
})();
