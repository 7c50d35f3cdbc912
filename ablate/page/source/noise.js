// How much noise there is beside how far arms lie apart.

function noisePanel(view, body) {
  const { study, metric } = view, rows = study.noise.filter((row) => row.metric === metric);
  if (!rows.length) return put(body, h("p", { class: "none" }, "Not measured: one seed, or not in this file."));
  const data = rows.map((row) => ({ ...row, name: row.task === AGGREGATE ? "all tasks" : row.task, ratio: row.seed_sd > 0 ? row.range_of_arms / row.seed_sd : null }));
  const box = h("div", { class: "plot" });
  put(body, box);
  const width = room(box), left = Math.min(200, 20 + 7.2 * d3.max(data, (row) => row.name.length));
  put(box, figure(`Noise of one run and range of arms in ${metric}, per task`, {
    width, height: 34 * data.length + 44, marginLeft: left, marginRight: 20, marginTop: 6, marginBottom: 40,
    x: { domain: [0, 1.1 * d3.max(data, (row) => Math.max(row.range_of_arms ?? 0, row.ci_high ?? 0, row.seed_sd ?? 0))], label: `${metric}`, labelAnchor: "right", labelArrow: "none", tickFormat: tick, ticks: Math.round(width / 100) },
    y: { domain: data.map((row) => row.name), label: null, tickSize: 0, padding: 0.2 },
    marks: [
      Plot.gridX({ stroke: LINE, strokeOpacity: 1 }),
      Plot.barX(data.filter((row) => known(row.range_of_arms)), { x1: 0, x2: "range_of_arms", y: "name", fill: "var(--bar)", insetTop: 5, insetBottom: 5 }),
      Plot.ruleY(data.filter((row) => known(row.ci_low)), { x1: "ci_low", x2: "ci_high", y: "name", stroke: WORSE, strokeWidth: 2 }),
      Plot.dot(data, { x: "seed_sd", y: "name", r: 5, fill: WORSE, symbol: "diamond" }),
    ],
  }));
  put(body, h("p", { class: "key" }, h("span", {}, h("i", { class: "swatch bar" }), " best arm less worst"), h("span", {}, h("i", { class: "diamond" }), " standard deviation of one run between seeds, 95 % interval")));
  put(body, grid(["task", "noise of a run", "range of arms", "range / noise", "believed at this scale"], data.map((row) => {
    const seen = screened(study, row.task, metric);
    return [name(row.name), plain(row.seed_sd), plain(row.range_of_arms), known(row.ratio) ? row.ratio.toFixed(1) : DASH, seen ? (seen.believed ? "yes" : `no: ${seen.why || "see screening"}`) : "not screened"];
  }), { caption: `Noise in ${metric}` }));
}
