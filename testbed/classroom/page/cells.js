// A row of cells that fill: one for each request thread, or each connection of a pool. Only cells that change are touched.
"use strict";
(() => {
  const { svg, setAttribute } = Classroom;
  const MOST = 120, GAP = 1.5; // more than this are drawn as so many cells, each for several

  // In a box of a width; `columns` of them in a row. Returns its group, its height, and what fills it.
  const cells = (x, y, width, columns, height) => {
    const group = svg("g", { transform: `translate(${x},${y})` });
    let drawn = [], of = -1;
    const make = (count) => {
      of = count;
      const inRow = Math.max(1, Math.min(columns, count)), size = (width + GAP) / inRow - GAP;
      drawn = Array.from({ length: Math.min(count, MOST) }, (_, place) => svg("rect", {
        x: (place % inRow) * (size + GAP), y: Math.floor(place / inRow) * (height + GAP), width: size, height, class: "cell",
      }));
      group.replaceChildren(...drawn);
    };
    // `kinds`: pairs of a class and how many cells have it, from the first cell on; null where nobody has seen how many there are.
    const fill = (count, kinds) => {
      const total = Number.isInteger(count) && count >= 0 ? count : Math.max(0, of); // not seen now: as many as there were
      if (total !== of) make(total);
      const share = total > MOST ? MOST / total : 1;
      let place = 0;
      for (const [kind, many] of kinds) {
        const end = Math.min(drawn.length, place + Math.ceil(Math.max(0, many ?? 0) * share));
        for (; place < end; place += 1) setAttribute(drawn[place], "class", `cell ${kind}`);
      }
      for (; place < drawn.length; place += 1) {
        if (drawn[place].getAttribute("class") === "cell") break; // all behind it are free already
        setAttribute(drawn[place], "class", "cell");
      }
    };
    return { group, fill };
  };
  const heightOf = (count, columns, height) => Math.ceil(Math.min(count, MOST) / columns) * (height + GAP);

  Classroom.cells = cells;
  Classroom.cellsHeight = heightOf;
})();
