// Score against tokens: raw means of every arm, a small figure per task, the chosen arms in colour.

function curvesPanel(view, body) {
  const { study, metric, chosen } = view;
  const tasks = view.tasks.filter((task) => study.scores.get(key(task, metric))?.curve?.some(Boolean));
  if (!tasks.length) return put(body, h("p", { class: "none" }, "No curves: these results hold scores at the end of training only."));
  const pair = armsOf(chosen).length === 2 ? armsOf(chosen) : [study.head.reference];
  put(body, h("p", { class: "lead" }, chosen && pair.length === 2
    ? ["With ", name(chosen.stage), ": arm ", h("b", { class: "better" }, name(pair[0])), ". Without: arm ", h("b", { class: "worse" }, name(pair[1])), ". Bands run from the lowest to the highest seed."]
    : ["Arm ", h("b", { class: "better" }, name(pair[0])), ", its band from the lowest to the highest seed; other arms in grey. Choose a stage to see its two arms."]));
  const order = [view.task, ...tasks.filter((task) => task !== view.task)].filter((task) => tasks.includes(task));
  const box = h("div", { class: "multiples" });
  put(body, box);
  const columns = Math.max(1, Math.min(3, Math.floor(room(body) / 270))), width = Math.floor((room(body) - 18 * (columns - 1)) / columns);
  const few = order.slice(0, body.dataset.all || PRINTING ? order.length : 2 * columns);
  box.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
  for (const task of few) put(box, h("figure", { class: task === view.task ? "picked" : null },
    h("figcaption", {}, h("button", { type: "button", "aria-pressed": String(task === view.task), onclick: () => choose({ task }), "data-focus": `curve/${task}` }, name(task === AGGREGATE ? "all tasks" : task)), h("small", {}, ` ${metric}, ${direction(study, metric)}`)),
    curveFigure(view, task, pair, width)));
  if (few.length < order.length) put(body, h("button", { type: "button", class: "more", onclick: () => { body.dataset.all = "yes"; redraw("curves"); } }, `Show all ${order.length} tasks`));
}

function curveFigure(view, task, pair, width) {
  const { study, metric } = view, chance = metricRow(study, task, metric)?.chance;
  const curves = study.arms.map((row) => ({ arm: row.arm, points: curveOf(study, row.arm, task, metric) })).filter((one) => one.points.length);
  const others = curves.filter((one) => !pair.includes(one.arm)), shown = pair.map((arm) => curves.find((one) => one.arm === arm)).filter(Boolean);
  const colour = (arm) => (arm === pair[0] ? BETTER : WORSE), all = curves.flatMap((one) => one.points);
  const values = [...all.map((p) => p.mean), ...shown.flatMap((one) => one.points.flatMap((p) => [p.low, p.high]))];
  const near = known(chance) && chance >= d3.min(values) - (d3.max(values) - d3.min(values)) && chance <= d3.max(values) + (d3.max(values) - d3.min(values));
  const crowd = others.length > 16 ? d3.rollups(others.flatMap((one) => one.points), (p) => [d3.min(p, (d) => d.mean), d3.max(p, (d) => d.mean)], (p) => p.tokens).map(([tokens, [low, high]]) => ({ tokens, low, high })) : null;
  const single = new Set(all.map((p) => p.tokens)).size < 2;
  return figure(`${metric} on ${task} against tokens of training for ${many(curves.length, "arm")}`, {
    width, height: Math.round(Math.max(170, width * 0.56)), marginLeft: 46, marginRight: 14, marginTop: 12, marginBottom: 34,
    x: { label: "tokens", labelAnchor: "right", labelArrow: "none", tickFormat: count, ticks: 4, nice: false, zero: false, inset: single ? 40 : 4 },
    y: { domain: extent(near ? [...values, chance] : values), label: null, ticks: 4, tickFormat: tick, grid: false },
    marks: [
      Plot.gridY({ stroke: LINE, strokeOpacity: 1, ticks: 4 }),
      near ? Plot.ruleY([chance], { stroke: SOFT, strokeDasharray: "3,3" }) : null,
      near ? label([chance], { y: (d) => d, text: () => "chance", frameAnchor: "right", textAnchor: "end", dy: -7, fontSize: 11, fill: SOFT }) : null,
      crowd ? Plot.areaY(crowd, { x: "tokens", y1: "low", y2: "high", fill: PALE }) : Plot.line(others.flatMap((one) => one.points), { x: "tokens", y: "mean", z: "arm", stroke: FAINT, strokeWidth: 1.25, ...(single ? { marker: "dot" } : {}) }),
      shown.map((one) => Plot.areaY(one.points, { x: "tokens", y1: "low", y2: "high", fill: colour(one.arm), fillOpacity: 0.13 })),
      shown.map((one) => Plot.line(one.points, { x: "tokens", y: "mean", stroke: colour(one.arm), strokeWidth: 2.25, strokeDasharray: one.arm === pair[0] ? null : "6,3" })),
      shown.map((one) => Plot.dot(one.points, { x: "tokens", y: "mean", r: 2.75, fill: colour(one.arm) })),
      Plot.tip(all, Plot.pointer({ x: "tokens", y: "mean", title: (p) => `${p.arm}\n${plain(p.mean)} ${metric} at ${count(p.tokens)} tokens\nmean of ${many(p.n, "seed")}, ${plain(p.low)} to ${plain(p.high)}`, fill: "var(--card)", stroke: LINE, fontSize: 12 })),
    ],
  });
}
