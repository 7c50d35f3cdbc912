// Studies side by side: stages matched by name and levels, each on an axis of its own unless both may share one.

function comparePanel(view, body) {
  const others = view.beside;
  if (!others.length) return put(body, h("p", { class: "none" }, "No other study is chosen; choose one under Beside, above."));
  const columns = [view.study, ...others].map((study) => besideColumn(study, view));
  const order = [...new Set(columns.flatMap((column) => column.gains.map((gain) => gain.stage)))];
  const shared = columns.every((column) => column.differs.length === 0 && column.gains.length);
  const domain = shared ? forestDomain(columns.flatMap((column) => column.gains), view) : null;
  const across = Math.max(1, Math.min(columns.length, Math.floor(body.clientWidth / 400)));
  const box = h("div", { class: "beside", style: { gridTemplateColumns: `repeat(${across}, minmax(0, 1fr))` } });
  put(body, box);
  const width = Math.floor((body.clientWidth - 24 * (across - 1)) / across) - 26;
  for (const column of columns) {
    const gains = order.map((stage) => column.gains.find((gain) => gain.stage === stage)).filter(Boolean);
    put(box, h("article", {}, h("h3", {}, column.study === view.study ? name(column.study.label) : h("button", { type: "button", onclick: () => choose({ study: column.study.id }), title: "Show this study" }, name(column.study.label))),
      h("p", { class: "sub" }, summaryLine(column.study), column.metric ? `; ${column.metric}, ${column.task === AGGREGATE ? taskWords(column.study, AGGREGATE, column.metric) : column.task}` : ""),
      gains.length ? forest({ ...view, study: column.study, metric: column.metric, gains }, gains, { width, small: true, domain, title: `Gains of ${column.study.label}` }) : h("p", { class: "none" }, "No gains of these arms."),
      column.differs.length ? h("div", { class: "differs" }, h("strong", {}, "Not to be compared in size"), h("ul", {}, column.differs.map((line) => h("li", {}, line)))) : column.study !== view.study && gains.length > 0 && h("p", { class: "same" }, "Metric, items, tokens and model agree: sizes may be compared.")));
  }
  repick(view, body);
  const rows = order.map((stage) => ({ stage, found: columns.map((column) => column.gains.find((gain) => gain.stage === stage)) })).filter((row) => row.found.filter(Boolean).length > 1);
  if (!rows.length) return put(body, h("p", { class: "none" }, "No stage stands in more than one of these studies."));
  put(body, h("h3", {}, "Stages that more than one study has"), grid(["stage", ...columns.map((column) => name(column.study.label)), "agreement"], rows.map(({ stage, found }) => [
    h("button", { type: "button", class: "link", "aria-pressed": String(stage === view.pick), onclick: () => pickStage(stage), "data-focus": `beside/${stage}` }, name(stage)),
    ...found.map((gain) => (gain && known(gain.gain) ? [signed(gain.gain, Math.min(4, decimalsFor([gain.row.seed_error]))), h("small", {}, ` ${gain.row.metric}, ${KINDS[gain.kind] ?? gain.verdict}`)] : DASH)), agreement(found.filter(Boolean))]), { caption: "Gains, plus is better; each in its own units", left: 1 }));
}

/** What a study shows of the view's metric, task and estimand, and why it must not be compared with the view's study. */
function besideColumn(study, view) {
  const metric = study.names.includes(view.metric) ? view.metric : study.head.primary;
  const tasks = tasksWith(study, metric), task = tasks.includes(view.task) ? view.task : tasks.includes(study.head.headline) ? study.head.headline : tasks[0];
  const estimand = study.estimands.includes(view.estimand) ? view.estimand : study.estimands[0];
  return { study, metric, task, estimand, gains: gainsOf(study, metric, task, estimand), differs: study === view.study ? [] : differsFrom(view, study, metric, task, estimand) };
}

function differsFrom(view, study, metric, task, estimand) {
  const mine = view.study, lines = [];
  const two = (what, a, b) => { if (a !== null && b !== null && a !== undefined && b !== undefined && JSON.stringify(a) !== JSON.stringify(b)) lines.push(`${what}: ${b} here, ${a} in ${mine.label}`); };
  two("metric", view.metric, metric);
  two("direction", direction(mine, view.metric), direction(study, metric));
  two("estimand", view.estimand, estimand);
  two("task", view.task, task);
  const members = (one, which, m) => (which === AGGREGATE ? one.aggregates[m] ?? [] : [which]);
  const a = members(mine, view.task, view.metric), b = members(study, task, metric);
  two("tasks", [...a].sort().join(", "), [...b].sort().join(", "));
  const changed = a.filter((one) => b.includes(one)).filter((one) => { const x = metricRow(mine, one, view.metric), y = metricRow(study, one, metric); return x && y && x.digest !== y.digest; });
  if (changed.length) lines.push(`items: ${changed.join(", ")} ${changed.length > 1 ? "have" : "has"} other items`);
  const values = (one, column) => [...new Set(one.runs.map((run) => run[column]).filter(known))].sort((x, y) => x - y);
  for (const [what, column] of [["tokens of a run", "tokens"], ["model (parameters)", "parameters"]]) {
    const x = values(mine, column), y = values(study, column), short = (some) => some.map(count).join(", ");
    if (!x.length || !y.length) lines.push(`${what}: not known for both`);
    else if (x.join() !== y.join()) two(what, ...(short(x) === short(y) ? [x.join(", "), y.join(", ")] : [short(x), short(y)]));
  }
  return lines;
}

function agreement(gains) {
  const some = gains.filter((gain) => known(gain.gain));
  if (some.length < 2) return DASH;
  if (some.some((gain) => gain.gain === 0)) return "no difference in one";
  const seen = some.every((gain) => markOf(gain.kind).shape !== "grey") ? "" : ", not all seen";
  const same = some.every((gain) => Math.sign(gain.gain) === Math.sign(some[0].gain)), hold = some.every((gain) => markOf(gain.kind).shape === "filled");
  return same ? (hold ? "same sign, both hold" : `same sign${seen}`) : `opposite${seen}`;
}
