// Draws who waited for whom from the JSON inside each box; a node with the focus shows all that it leads to in the end.
"use strict";
(() => {
  const NEAR = "1200px"; // a graph is drawn when the reader comes as near as this
  const PAPER = 680; // the width of a sheet
  const boxes = [...document.querySelectorAll(".graph")].map((box) => ({ box, data: JSON.parse(box.querySelector("script").textContent) }));

  const waits = (threads) => (threads ? `${threads} ${threads === 1 ? "thread waits" : "threads wait"} for this` : "requests fail here, and none waits");
  const blame = ({ threads }, root) => `${root ? "The root: " : ""}${waits(threads)}`;

  const label = (data, number) => {
    const node = data.nodes[number];
    const ways = data.edges.filter((edge) => edge.from === number).map((edge) => `${edge.count} ${edge.how}: ${data.nodes[edge.to].name}`);
    return [`${node.name}${node.kind ? `, ${node.kind}` : ""}`, ...ways, ...node.blamed.flatMap((one) => [blame(one, node.root), one.text])].join("; ");
  };

  // A node and all that it leads to in the end: a circle is gone round once.
  const wayOf = (data, from) => {
    const nodes = new Set([from]);
    for (const number of nodes) data.edges.filter((edge) => edge.from === number).forEach((edge) => nodes.add(edge.to));
    return nodes;
  };

  const draw = ({ box, data }, available) => {
    const room = Math.floor(available);
    if (room <= 0 || box.dataset.drawn === String(room)) return;
    const { picture, nodes, edges } = WaitGraph.draw(data, room, { blame });
    const choose = (chosen) => {
      const way = chosen === null ? null : wayOf(data, chosen);
      picture.classList.toggle("chosen", way !== null);
      for (const { number, element } of nodes) element.classList.toggle("way", Boolean(way?.has(number)));
      for (const { edge, elements } of edges) for (const element of elements) element.classList.toggle("way", Boolean(way?.has(edge.from)));
    };
    for (const { number, element } of nodes) {
      const attributes = { tabindex: 0, role: "img", "aria-label": label(data, number) };
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      for (const event of ["focus", "mouseenter"]) element.addEventListener(event, () => choose(number));
      for (const event of ["blur", "mouseleave"]) element.addEventListener(event, () => choose(null));
    }
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    box.querySelector("svg")?.remove();
    box.append(picture);
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
