// Draws every chart from the JSON inside it, by the clock that was chosen, in the width that there is.
"use strict";
(() => {
  const NEAR = "1200px"; // a chart is drawn when the reader comes as near as this
  const PAPER = 700; // the width of a sheet
  const HEIGHTS = { lines: 150, dots: 190 };
  const TOP = 8, BOTTOM = 36; // margins: the axis of time and its name stand below
  const ROW = 20, NEVER = 20; // of a bar, and of the line of a transaction that was never answered
  const SHORTEST = 0.001; // of a logarithmic axis
  const DECADES = [SHORTEST, 0.01, 0.1, 1, 10, 100, 1000, 10000];
  const LETTER = 6.6, LEAST_MARGIN = 44, BESIDE = 14, WIDEST_MARGIN = 0.3; // of the names of rows: pixels, and the share of a chart's width
  const charts = [...document.querySelectorAll(".chart")].map((box) => ({ box, data: JSON.parse(box.querySelector("script").textContent) }));
  let clock = "n";

  const two = (number) => String(number).padStart(2, "0");
  const nightText = (seconds) => {
    const minutes = Math.floor((((seconds % 86400) + 86400) % 86400) / 60);
    return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  };

  // Ticks of the night stand at whole quarters and hours, as many as there is room for.
  const nightTicks = ([from, to], width) => {
    if (to - from > 100 * 86400) return d3.ticks(from, to, 4); // no night, but a clock that went wrong
    const step = [60, 300, 900, 1800, 3600, 7200, 10800, 21600].find((each) => (to - from) / each <= width / 55) ?? 43200;
    return d3.range(Math.ceil(from / step) * step, to + 1, step);
  };

  const rowsOf = (data) => [...new Set(data.kind === "spans" ? data.bars.map((bar) => bar.row) : data.series.map((one) => one.name))];
  // All charts have the same margin, so that a time is at the same place in each.
  const longest = Math.max(0, ...charts.filter(({ data }) => data.kind === "spans" || data.kind === "strips").flatMap(({ data }) => rowsOf(data).map((row) => row.length)));
  const marginOf = (width) => Math.floor(Math.min(WIDEST_MARGIN * width, Math.max(LEAST_MARGIN, Math.ceil(longest * LETTER) + BESIDE)));

  const heightOf = (data) => HEIGHTS[data.kind] ?? TOP + ROW * rowsOf(data).length + BOTTOM;

  // Equal neighbours are one bar; it ends where the next one begins, or where nobody looked.
  const runs = (one) => {
    const found = [];
    one[clock].forEach((at, number) => {
      const last = found.at(-1), value = one.v[number];
      if (last && last.value !== null) last.x2 = at;
      if (!last || last.value !== value) found.push({ x1: at, x2: at, value, row: one.name });
    });
    return found.filter((run) => run.value !== null);
  };

  const points = (one) => one[clock].map((at, number) => ({ x: at, y: one.v[number] }));

  const lines = (data) => data.series.map((one) => Plot.line(points(one), {
    x: "x", y: "y", stroke: one.colour, strokeWidth: 2, strokeDasharray: one.dash || undefined, ariaLabel: () => one.name,
    curve: one.steps ? "step-after" : "linear", clip: true,
  }));

  const dots = (data) => data.series.flatMap((one) => {
    const all = points(one);
    if (one.symbol === "never") {
      return [Plot.ruleX(all, { x: "x", stroke: one.colour, insetBottom: HEIGHTS.dots - TOP - BOTTOM - NEVER, ariaLabel: () => one.name })];
    }
    const drawn = all.map(({ x, y }) => ({ x, y: Math.max(y, SHORTEST) }));
    const how = one.symbol === "times" ? { stroke: one.colour, symbol: "times" } : { fill: one.colour, symbol: one.symbol };
    return [Plot.dot(drawn, { x: "x", y: "y", r: 2.5, ariaLabel: () => one.name, ...how })];
  });

  const strip = (one) => {
    const found = runs(one);
    return [
      Plot.barX(found.filter((run) => run.value), { x1: "x1", x2: "x2", y: "row", fill: "var(--good)", insetTop: 7, insetBottom: 7, ariaLabel: () => `${one.name} green` }),
      Plot.barX(found.filter((run) => !run.value), { x1: "x1", x2: "x2", y: "row", fill: "var(--bad)", stroke: "var(--bad)", insetTop: 1, insetBottom: 1, ariaLabel: () => `${one.name} not green` }),
    ];
  };

  const spans = (data) => {
    const bars = data.bars.map((bar) => ({ row: bar.row, x1: bar[clock][0], x2: bar[clock][1], bad: bar.bad }));
    const fill = (bar) => (bar.bad ? "var(--bad)" : "var(--c0)");
    return [
      Plot.barX(bars, { x1: "x1", x2: "x2", y: "row", fill, stroke: fill, insetTop: 3, insetBottom: 3, ariaLabel: () => "spans" }),
      Plot.dot(bars.filter((bar) => bar.x1 === bar.x2), { x: "x1", y: "row", fill, r: 4, symbol: "diamond", ariaLabel: () => "moments" }),
    ];
  };

  const MARKS = { lines, dots, spans, strips: (data) => data.series.flatMap(strip) };

  const shaded = (data) => data.shades.flatMap((shade) => {
    const [x1, x2] = shade[clock];
    return [
      Plot.rect([{ x1, x2 }], { x1: "x1", x2: "x2", fill: "currentColor", fillOpacity: 0.12, ariaLabel: () => `active: ${shade.word}` }),
      Plot.ruleX([x1], { stroke: "currentColor", strokeOpacity: 0.5, strokeDasharray: "3 3" }),
    ];
  });

  const draw = ({ box, data }, available) => {
    const width = Math.max(240, Math.floor(available));
    if (box.dataset.drawn === `${clock} ${width}`) return;
    const rows = data.kind === "strips" || data.kind === "spans";
    const marginLeft = marginOf(width), marginRight = 14;
    const inner = width - marginLeft - marginRight;
    const fit = Math.floor((marginLeft - BESIDE) / LETTER);
    const cut = (row) => (row.length > fit ? `${row.slice(0, fit - 1)}…` : row); // the table beside it has the whole name
    const x = clock === "n"
      ? { domain: data.n, ticks: nightTicks(data.n, inner), tickFormat: nightText, label: "the night's clock" }
      : { domain: data.t, ticks: Math.max(3, Math.floor(inner / 70)), label: "real seconds" };
    let y = { label: null, grid: true, nice: true, ticks: 4, domain: [0, Math.max(1, data.top ?? 0, d3.max(data.series, (one) => d3.max(one.v)) ?? 0)] };
    if (data.kind === "dots") {
      const most = Math.max(1, d3.max(data.series, (one) => d3.max(one.v)) ?? 1);
      y = { label: null, grid: true, type: "log", domain: [SHORTEST, most * 1.5], ticks: DECADES.filter((each) => each <= most * 1.5), tickFormat: "~g" };
    }
    if (rows) y = { label: null, domain: rowsOf(data), tickFormat: cut, padding: 0 };
    const plot = Plot.plot({
      width, height: heightOf(data), marginLeft, marginRight, marginTop: TOP, marginBottom: BOTTOM, x: { ...x, labelAnchor: "right", labelArrow: "none" }, y,
      style: { background: "transparent", color: "inherit", fontSize: "12px", fontFamily: "inherit" },
      marks: [...shaded(data), ...MARKS[data.kind](data)],
    });
    plot.setAttribute("aria-hidden", "true"); // the box around it says what it shows
    plot.setAttribute("focusable", "false");
    box.querySelector("svg")?.remove();
    box.append(plot);
    box.dataset.drawn = `${clock} ${width}`;
    box.plot = plot;
  };

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(charts.find((chart) => chart.box === entry.target), entry.boundingClientRect.width);
    }
  }, { rootMargin: NEAR });

  const drawAgain = () => charts.forEach(({ box }) => { near.unobserve(box); near.observe(box); });
  const drawAll = () => {
    // All are measured before any is drawn: each measurement after a drawing would lay out the whole page again.
    const widths = charts.map(({ box }) => box.getBoundingClientRect().width);
    charts.forEach((chart, number) => draw(chart, widths[number]));
  };

  for (const { box, data } of charts) box.style.minHeight = `${heightOf(data)}px`;
  for (const choice of document.querySelectorAll('input[name="clock"]')) {
    choice.addEventListener("change", () => { clock = choice.value; drawAgain(); });
    if (choice.checked) clock = choice.value; // a browser remembers it when a page is loaded again
  }
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; drawAgain(); } });

  // On paper what may unfold is unfolded, and every chart is there.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details.print:not([open])")];
    folded.forEach((each) => { each.open = true; });
    charts.forEach((chart) => draw(chart, PAPER));
  });
  window.addEventListener("afterprint", () => {
    folded.forEach((each) => { each.open = false; });
    folded = [];
    drawAll();
  });

  drawAgain();
})();
