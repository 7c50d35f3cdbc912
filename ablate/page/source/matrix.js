// Stage by task: every gain of the metric, hatched where the task is blind at this scale.

function matrixPanel(view, body) {
  const { study, metric, estimand } = view, tasks = view.tasks;
  const lead = gainsOf(study, metric, tasks.find((task) => gainsOf(study, metric, task, estimand).length) ?? "", estimand);
  if (!lead.length) return put(body, h("p", { class: "none" }, "No gains in this metric."));
  const stages = lead.map((gain) => gain.stage);
  const columns = tasks.map((task) => {
    const gains = gainsOf(study, metric, task, estimand);
    return { task, gains: new Map(gains.map((gain) => [gain.stage, gain])), seen: screened(study, task, metric), digits: Math.min(4, decimalsFor(gains.map((gain) => gain.row.seed_error))) };
  });
  const table = h("table", { class: "matrix", "aria-label": "Gains by stage and task" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "stage"), columns.map(({ task, seen }) => h("th", { scope: "col", class: task === view.task ? "picked" : null },
      h("button", { type: "button", "aria-pressed": String(task === view.task), onclick: () => choose({ task }), "data-focus": `task/${task}`, title: seen && !seen.believed ? `${task}: not believed at this scale (${seen.why})` : task }, name(task === AGGREGATE ? "all tasks" : task))))),),
    h("tbody", {}, stages.map((stage) => h("tr", { class: stage === view.pick ? "picked" : null },
      h("th", { scope: "row" }, h("button", { type: "button", "aria-pressed": String(stage === view.pick), onclick: () => pickStage(stage), "data-focus": `matrix/${stage}` }, name(stage))),
      columns.map((column) => matrixCell(column.gains.get(stage), column, view))))));
  put(body, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of stages and tasks" }, table), h("p", { class: "key" },
    h("span", {}, h("i", { class: "swatch better" }), " better"), h("span", {}, h("i", { class: "swatch worse" }), " worse; the stronger, the more the gain stands out of its own interval"),
    h("span", {}, h("i", { class: "swatch blind" }), " blind: the task cannot rank these arms at this scale"), h("span", {}, h("b", {}, "bold"), " holds after correction")));
}

function matrixCell(gain, column, view) {
  if (!gain || !known(gain.gain)) return h("td", { class: "num" }, DASH);
  const half = known(gain.low) ? (gain.high - gain.low) / 2 : null;
  const strength = half ? Math.min(1, Math.abs(gain.gain) / half / 1.5) : 0, { shape } = markOf(gain.kind);
  const blind = column.seen && !column.seen.believed && column.task !== AGGREGATE;
  const td = h("td", { class: `num heat ${gain.gain >= 0 ? "better" : "worse"}${blind ? " blind" : ""}${shape === "filled" ? " holds" : ""}`, title: describe(gain, view), onclick: () => choose({ pick: gain.stage, task: column.task }) }, signed(gain.gain, column.digits));
  td.style.setProperty("--strength", `${strength.toFixed(3)}`);
  return td;
}
