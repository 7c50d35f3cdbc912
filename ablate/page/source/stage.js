// One stage, seed by seed, with what it is in the configuration and what it took away.

function stagePanel(view, body) {
  const { study, chosen, metric } = view;
  if (!chosen) return put(body, h("p", { class: "none" }, "Choose a stage in the figure above, or with ", choice("stage", "stage", [["", "none"], ...view.gains.map((gain) => [gain.stage, gain.stage])], "", (stage) => choose({ pick: stage || null })), "."));
  put(body, h("div", { class: "pair" }, h("div", {},
    choice("stage", "Stage", [["", "none"], ...view.gains.map((gain) => [gain.stage, gain.stage])], chosen.stage, (stage) => choose({ pick: stage || null })),
    h("p", { class: "lead" }, describe(chosen, view)), h("div", { class: "plot", "data-draw": "seeds" }), seedWords(chosen, view)),
  h("div", {}, h("h3", {}, "What differs in the configuration"), differences(study, chosen), h("h3", {}, "What it takes away"), takes(study, chosen))));
  const plot = body.querySelector("[data-draw=seeds]");
  if (chosen.bySeed.some(known)) plot.append(seedFigure(chosen, view, room(plot, 620)));
  else plot.append(h("p", { class: "none" }, "No differences seed by seed: arms share no seed, or the records are not in this file."));
}

function seedFigure(gain, view, width) {
  const seeds = view.study.head.seeds.map((seed, i) => ({ seed: `seed ${seed}`, value: gain.bySeed[i] })).filter((d) => known(d.value));
  const mean = view.study.verdicts && known(gain.low), all = [...seeds.map((d) => d.value), gain.low, gain.high];
  const total = "mean, 95 %", digits = decimalsFor([gain.row.seed_error]);
  const numbers = { x: "value", y: "seed", text: (d) => signed(d.value, digits), fontSize: 11, fill: SOFT };
  return figure(`Differences of ${seeds.length} seeds in ${view.metric}, plus is better`, {
    width, height: 26 * (seeds.length + (mean ? 1 : 0)) + 46, marginLeft: seeds.some((d) => d.value < 0) ? 126 : 82, marginRight: 44, marginTop: 6, marginBottom: 40,
    x: { domain: extent(all, { zero: true }), label: `difference under one seed, ${view.metric}, plus is better \u2192`, tickFormat: tick, ticks: Math.round(width / 90), labelAnchor: "right", labelArrow: "none" },
    y: { domain: [...seeds.map((d) => d.seed), ...(mean ? [total] : [])], label: null, tickSize: 0 },
    marks: [
      Plot.gridX({ stroke: LINE, strokeOpacity: 1, ticks: Math.round(width / 90) }), Plot.ruleX([0], { stroke: INK }),
      Plot.ruleY(seeds, { x1: 0, x2: "value", y: "seed", stroke: FAINT, strokeWidth: 2 }),
      Plot.dot(seeds, { x: "value", y: "seed", r: 4.5, fill: SOFT, tip: false }),
      label(seeds.filter((d) => d.value >= 0), { ...numbers, dx: 9, textAnchor: "start" }), label(seeds.filter((d) => d.value < 0), { ...numbers, dx: -9, textAnchor: "end" }),
      mean ? Plot.ruleY([gain], { x1: "low", x2: "high", y: () => total, stroke: colourOf, strokeWidth: 3 }) : null,
      mean ? gainDots([gain], { x: "gain", y: () => total }) : null,
    ],
  });
}

function seedWords(gain, view) {
  const digits = decimalsFor([gain.row.seed_error]), values = gain.bySeed.filter(known), better = values.filter((x) => x > 0).length;
  const verdicts = view.study.verdicts, row = gain.row;
  return facts([
    values.length && ["direction", `better under ${better} of ${many(values.length, "seed")}`],
    verdicts && known(gain.low) && ["interval, seeds", `${span(gain.low, gain.high, digits)} ${view.metric}`],
    verdicts && known(gain.lowItems) && ["with other test items too", `${span(gain.lowItems, gain.highItems, digits)} ${view.metric}`],
    known(row.seed_error) && verdicts && ["error of the mean", `${plain(row.seed_error, digits)} from seeds${known(row.item_error) ? `, ${plain(row.item_error, digits)} from items` : ""}`],
    verdicts && known(row.p_value) && ["p", `${pText(row.p_value)} alone; ${pText(row.p_adjusted)} after ${row.correction} over ${many(row.tests, "test")}`],
    verdicts && known(row.mde) && ["could have been seen", `${rough(row.mde)} ${view.metric}, in 80 % of repeats`],
    known(row.noise_floor) && ["noise of one run", `${rough(row.noise_floor)} ${view.metric} between seeds`],
    verdicts && ["estimated as", `${row.method}, ${rough(row.df, 3)} degrees of freedom`],
    row.runs_failed && ["runs missing", row.runs_failed],
  ]);
}

/** Paths of the configuration in which the arms of a contrast differ, and nothing else. */
function differences(study, gain) {
  const arms = armsOf(gain);
  if (!arms.length) return h("p", { class: "none" }, "Not in this file: it was made from tables alone.");
  if (arms.length > 2) return h("p", {}, `An average over ${arms.length} arms: those with the stage less those without it. The arms' own configurations are under Runs.`);
  const changes = arms.map((arm) => study.arms.find((row) => row.arm === arm)?.changes ?? {});
  const paths = [...new Set(changes.flatMap(Object.keys))];
  const shown = (arm, change, path) => (path in change ? JSON.stringify(change[path]) : arm === study.head.reference ? "as planned" : "as in " + study.head.reference);
  const rows = paths.filter((path) => JSON.stringify(changes[0][path]) !== JSON.stringify(changes[1]?.[path]));
  if (!rows.length && study.head.imported.length) return h("p", { class: "none" }, "The configurations are not in this file: it was made from tables of results.");
  if (!rows.length) return h("p", { class: "none" }, `Nothing else is known of how ${arms.join(" and ")} differ.`);
  return grid(["key", ...arms.map((arm) => name(arm))], rows.map((path) => [h("code", {}, path), ...arms.map((arm, i) => h("code", {}, shown(arm, changes[i], path)))]), { left: 3, caption: "Keys that differ between the two arms" });
}

function takes(study, gain) {
  const line = stageLine(study, gain.row.factor);
  if (!line) return h("p", { class: "none" }, study.funnel.length ? "No line of this name in the reference's funnel." : "Not in this file: the corpora of these results are not known.");
  const { before, after } = line;
  const reasons = study.dropped.filter((one) => one.arm === study.head.reference && one.stage === gain.row.factor).sort((a, b) => b.count - a.count);
  const most = d3.max(reasons, (one) => one.count), shown = reasons.slice(0, 8);
  return [
    h("p", {}, `In arm `, name(study.head.reference), `: of ${count(before.documents)} documents ${percent(after.documents / before.documents)} stay`,
      known(after.tokens) && known(before.tokens) ? `, of ${count(before.tokens)} tokens ${percent(after.tokens / before.tokens)}` : "", after.changed ? `; ${count(after.changed)} are rewritten` : "", "."),
    shown.length ? h("ul", { class: "bars" }, shown.map((one) => h("li", {}, h("span", {}, name(one.reason), h("small", {}, one.what === "found" ? " found" : "")), h("span", {}, h("div", { class: "length", style: { width: `${(100 * one.count) / most}%` } })), h("span", { class: "num" }, count(one.count)))))
      : h("p", { class: "none" }, "No reasons are recorded."),
    reasons.length > shown.length && h("p", { class: "note" }, `and ${reasons.length - shown.length} further reasons`),
    droppedTexts(study, gain.row.factor),
  ];
}

/** Whether a reader has opened the texts: it stays so from stage to stage. */
const textsMenu = { open: false };

/** Some of the texts that a stage dropped, reason by reason: text as it was, in its own direction. */
function droppedTexts(study, stage) {
  const texts = study.dropped_texts.filter((one) => one.stage === stage), audit = h("code", {}, `ablate inspect audit study=${study.name}`);
  if (!texts.length) return h("p", { class: "note" }, "No texts are in this file. To read some of what it dropped: ", audit);
  const reasons = d3.groups(texts, (one) => one.reason), arm = texts[0].arm;
  return h("details", { class: "texts", open: textsMenu.open || null, ontoggle: (event) => { textsMenu.open = event.target.open; } }, h("summary", { "data-focus": "texts" }, `Read ${many(texts.length, "text")} that it dropped`, arm === study.head.reference ? "" : [" in ", name(arm)]),
    reasons.map(([reason, some]) => [h("h4", {}, name(reason)), some.map((one) => h("figure", {}, h("blockquote", { dir: "auto" }, one.text || "(empty)"), one.url || one.source ? h("figcaption", {}, name(one.url || one.source)) : null))]),
    h("p", { class: "note" }, `The first ${d3.max(reasons, ([, some]) => some.length)} of each reason by the documents' hashed keys, not picked. To read others, beside what it kept: `, audit));
}
