// What each stage left of the texts, for one arm or two.

function funnelPanel(view, body) {
  const { study, arm, other } = view;
  if (!study.funnel.length) return put(body, h("p", { class: "none" }, "No funnel: the corpora of these results are not known, or not in this file."));
  const names = [...new Set(study.funnel.map((line) => line.arm))];
  const unit = ["documents", "tokens", "bytes"].includes(view.unit) ? view.unit : "documents";
  const two = other && other !== arm && names.includes(other);
  put(body, h("div", { class: "tools" },
    choice("arm", "Arm", names.map((one) => [one, one]), arm, (value) => choose({ arm: value })),
    choice("other", "beside", [["", "none"], ...names.filter((one) => one !== arm).map((one) => [one, one])], two ? other : "", (value) => choose({ other: value || arm })),
    segments("counted in", [["documents", "documents"], ["tokens", "tokens"], ["bytes", "bytes"]], unit, (value) => choose({ unit: value }, { step: false }))));
  const first = funnelOf(study, arm), second = two ? funnelOf(study, other) : [];
  const share = (lines) => lines.filter((line) => known(line[unit])).map((line) => ({ arm: line.arm, stage: line.stage, value: line[unit], share: lines[0][unit] ? line[unit] / lines[0][unit] : null }));
  const a = share(first), b = share(second), order = [...a.map((d) => d.stage), ...b.map((d) => d.stage).filter((stage) => !a.some((d) => d.stage === stage))];
  if (!a.length) return put(body, h("p", { class: "none" }, `${unit} were not counted.`));
  const box = h("div", { class: "plot" });
  put(body, box);
  const width = room(box), left = Math.min(210, 16 + 7.2 * d3.max(order, (stage) => stage.length));
  const last = a.at(-1), lastOther = b.at(-1);
  put(box, figure(`${unit} left after each stage of arm ${arm}${two ? ` and of arm ${other}` : ""}`, {
    width, height: 32 * order.length + 40, marginLeft: left, marginRight: 92, marginTop: 4, marginBottom: 36,
    x: { domain: [0, 1], label: `share of ${unit} left`, labelAnchor: "right", labelArrow: "none", tickFormat: (d) => `${Math.round(100 * d)} %`, ticks: 5 },
    y: { domain: order, label: null, tickSize: 0, tickFormat: (d) => (d.length * 7.2 > left ? d.slice(0, Math.floor(left / 7.2) - 1) + "\u2026" : d), padding: 0.3 },
    marks: [
      Plot.gridX({ stroke: LINE, strokeOpacity: 1, ticks: 5 }),
      Plot.barX(a, { x: "share", y: "stage", fill: (d) => (view.chosen && d.stage === view.chosen.row.factor ? BETTER : "var(--bar)"), insetBottom: two ? 8 : 0 }),
      two ? Plot.barX(b, { x: "share", y: "stage", fill: WORSE, fillOpacity: 0.85, insetTop: 16 }) : null,
      label(a, { x: "share", y: "stage", text: (d) => `${percent(d.share)}  ${count(d.value)}`, textAnchor: "start", dx: 5, dy: two ? -4 : 0, fontSize: 11 }),
      two ? label(b, { x: "share", y: "stage", text: (d) => percent(d.share), textAnchor: "start", dx: 5, dy: 9, fontSize: 11, fill: WORSE }) : null,
    ],
  }));
  put(body, h("p", { class: "note" }, name(arm), ` keeps ${percent(last.share)} of its ${unit}`, two ? [", ", name(other), ` ${percent(lastOther.share)} (orange)`] : "", "."), corpora(view, two ? [arm, other] : [arm]));
}

function corpora(view, arms) {
  const rows = view.study.corpora.filter((row) => arms.includes(row.arm));
  if (!rows.length) return null;
  return grid(["arm", "documents", "unique tokens", "trained on", "epochs", "worth in fresh tokens"], rows.slice(0, 12).map((row) => [
    name(row.arm), count(row.documents), count(row.unique_tokens), count(row.trained_tokens), plain(row.epochs, 2), count(row.effective_tokens)]), { caption: "What the arms trained on" });
}
