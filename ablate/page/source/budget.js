// Would a smaller budget have ranked the arms alike?

function budgetPanel(view, body) {
  const { study, metric, task } = view, members = study.aggregates[metric] ?? [], rows = study.decisions.filter((row) => row.metric === metric);
  const shown = task === AGGREGATE && members.length === 1 && !rows.some((row) => row.task === task) ? members[0] : task;
  const mine = rows.filter((row) => row.task === shown);
  if (!rows.length) return put(body, h("p", { class: "none" }, "Not known: the curves have no earlier points, or this metric was not ranked."));
  const steps = [...new Set(rows.map((row) => row.cheap))], box = h("div", { class: "plot" });
  put(body, box);
  const width = Math.min(640, room(box)), ceiling = mine.map((row) => row.seed_ceiling).find(known);
  put(box, figure(`Decision accuracy on ${task} against the share of the budget`, {
    width, height: 280, marginLeft: 50, marginRight: 130, marginTop: 26, marginBottom: 40,
    x: { type: "point", domain: steps, label: "share of the budget", labelAnchor: "right", labelArrow: "none", padding: 0.4, tickFormat: (d) => d.replace(/ of the budget$/, "") },
    y: { domain: [0, 1], label: "pairs of arms ranked as at the end", labelArrow: "none", tickFormat: (d) => `${Math.round(100 * d)} %`, ticks: 5 },
    marks: [
      Plot.gridY({ stroke: LINE, strokeOpacity: 1, ticks: 5 }), Plot.ruleY([0.5], { stroke: SOFT, strokeDasharray: "3,3" }),
      label([0.5], { y: (d) => d, text: () => "a coin", frameAnchor: "right", textAnchor: "start", dx: 6, fontSize: 11, fill: SOFT }),
      known(ceiling) ? Plot.ruleY([ceiling], { stroke: WORSE, strokeDasharray: "6,3" }) : null,
      known(ceiling) ? label([ceiling], { y: (d) => d, text: () => "one seed reaches", frameAnchor: "right", textAnchor: "start", dx: 6, dy: Math.abs(ceiling - 0.5) < 0.07 ? (ceiling < 0.5 ? 10 : -10) : 0, fontSize: 11, fill: WORSE }) : null,
      Plot.line(rows.filter((row) => row.task !== shown), { x: "cheap", y: "accuracy", z: "task", stroke: FAINT, strokeWidth: 1.25 }),
      Plot.ruleX(mine.filter((row) => known(row.ci_low)), { x: "cheap", y1: "ci_low", y2: "ci_high", stroke: BETTER, strokeWidth: 2 }),
      Plot.line(mine, { x: "cheap", y: "accuracy", stroke: BETTER, strokeWidth: 2 }),
      Plot.dot(mine, { x: "cheap", y: "accuracy", fill: BETTER, r: 5 }),
      Plot.tip(rows, Plot.pointer({ x: "cheap", y: "accuracy", title: (row) => `${row.task}, ${row.cheap}\n${percent(row.accuracy, 0)} of ${row.n_pairs} pairs\n95 %: ${percent(row.ci_low, 0)} to ${percent(row.ci_high, 0)}`, fill: "var(--card)", stroke: LINE, fontSize: 12 })),
    ],
  }));
  if (!mine.length) put(body, h("p", { class: "none" }, `Not ranked on ${task}; other tasks in grey.`));
  else put(body, h("p", { class: "lead" }, ...mine.slice(0, 1).map((row) => `With ${row.cheap}, ${percent(row.accuracy, 0)} of ${row.n_pairs} pairs of arms rank as at the end on ${taskWords(study, task, metric)} (95 % interval ${percent(row.ci_low, 0)} to ${percent(row.ci_high, 0)}).`)));
}
