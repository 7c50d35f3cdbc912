// Gain against what it takes away and what it takes to run.

function costPanel(view, body) {
  const { study, gains, metric } = view;
  const asked = ["removed", "cpu"].includes(view.across) ? view.across : "removed";
  const curation = new Map(study.curation.map((row) => [row.stage, row]));
  const points = gains.filter((gain) => known(gain.gain)).map((gain) => {
    const line = stageLine(study, gain.row.factor), cost = curation.get(gain.row.factor);
    const part = line && known(line.before.tokens) && line.before.tokens ? 1 - line.after.tokens / line.before.tokens : line && line.before.documents ? 1 - line.after.documents / line.before.documents : null;
    return { ...gain, removed: part, cpu: cost?.cpu_s ?? null };
  });
  const use = points.some((p) => known(p[asked])) ? asked : "cpu", some = points.filter((p) => known(p[use]));
  if (!some.length) return put(body, h("p", { class: "none" }, "Neither what stages removed nor what they cost is known here."));
  put(body, h("div", { class: "tools" }, segments("across", [["removed", "share removed"], ["cpu", "CPU time"]], use, (value) => choose({ across: value }, { step: false }))));
  const box = h("div", { class: "plot" });
  put(body, box);
  const width = room(box), words = use === "removed" ? "share of tokens that the stage removes, reference arm" : "CPU-seconds of the stage, reference arm (log)";
  const y = extent(study.verdicts ? some.flatMap((p) => [p.gain, p.low, p.high]) : some.map((p) => p.gain), { zero: true }), mark = some.filter((p) => use !== "cpu" || p.cpu > 0), height = Math.round(Math.max(280, Math.min(420, width * 0.5)));
  const svg = figure(`Gain in ${metric} against ${words}`, {
    width, height, marginLeft: 56, marginRight: 30, marginTop: 24, marginBottom: 42,
    x: { label: words, labelAnchor: "right", labelArrow: "none", type: use === "cpu" ? "log" : "linear", domain: use === "removed" ? [0, Math.max(0.05, 1.12 * d3.max(mark, (p) => p.removed))] : undefined, ticks: 5, tickFormat: use === "removed" ? (d) => percent(d, 0) : tick, inset: use === "cpu" ? 24 : 0 },
    y: { domain: y, label: `gain in ${metric}, plus is better`, labelArrow: "none", tickFormat: tick, ticks: 5 },
    marks: [
      Plot.gridY({ stroke: LINE, strokeOpacity: 1, ticks: 5 }), Plot.ruleY([0], { stroke: INK }),
      Plot.ruleX(mark.filter((p) => known(p.low)), { x: use, y1: "low", y2: "high", stroke: colourOf, strokeWidth: 1.5 }),
      gainDots(mark, { x: use, y: "gain" }),
      placed(mark, { x: (p) => p[use], log: use === "cpu", width: width - 86, height: height - 66, domain: y, pick: view.pick }).map(({ dx, dy, anchor, point }) => label([point], { x: use, y: "gain", text: (p) => shortName(p.stage), textAnchor: anchor, dx, dy, fontSize: 11.5, fontWeight: point.stage === view.pick ? 700 : 400 })),
      Plot.tip(mark, Plot.pointer({ x: use, y: "gain", title: (p) => wrap(`${describe(p, view)} Removes ${percent(p.removed)}; ${seconds(p.cpu)} of CPU.`), fill: "var(--card)", stroke: LINE, fontSize: 12, lineHeight: 1.3 })),
    ],
  });
  svg.addEventListener("click", () => { if (svg.value) pickStage(svg.value.stage); });
  put(box, svg);
  if (some.length < points.length) put(body, h("p", { class: "note" }, `${points.length - some.length} of ${points.length} stages are not shown: theirs is not known.`));
}

function shortName(text) { return text.length > 26 ? text.slice(0, 25) + "\u2026" : text; }

/** Names beside their marks where there is room: the chosen stage first, then the largest gains; a name without room is left to the tip. */
function placed(points, { x, log, width, height, domain, pick }) {
  const place = (log ? d3.scaleLog() : d3.scaleLinear()).domain(log ? d3.extent(points, x) : [0, Math.max(0.05, 1.12 * d3.max(points, x))]).range([0, width]), up = d3.scaleLinear().domain(domain).range([height, 0]);
  const dots = points.map((point) => [place(x(point)), up(point.gain)]), taken = dots.map(([a, b]) => [a - 6, a + 6, b - 6, b + 6]), found = [];
  for (const i of d3.range(points.length).sort((a, b) => (points[b].stage === pick) - (points[a].stage === pick) || Math.abs(points[b].gain) - Math.abs(points[a].gain))) {
    const [a, b] = dots[i], wide = 6.6 * shortName(points[i].stage).length;
    for (const [dx, dy, anchor] of [[10, -9, "start"], [-10, -9, "end"], [10, 10, "start"], [-10, 10, "end"], [10, -24, "start"], [10, 24, "start"]]) {
      const left = anchor === "start" ? a + dx : a + dx - wide, box = [left, left + wide, b + dy - 8, b + dy + 8];
      if (left < 0 || box[1] > width + 24 || box[2] < 0 || box[3] > height || taken.some((one) => one[0] < box[1] && one[1] > box[0] && one[2] < box[3] && one[3] > box[2])) continue;
      taken.push(box);
      found.push({ dx, dy, anchor, point: points[i] });
      break;
    }
  }
  return found;
}
