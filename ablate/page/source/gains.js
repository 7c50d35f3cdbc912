// What each stage is worth: names, marks and numbers in rows of one height, so that long names are never cut off by a figure.

const ROW = 40, AXIS = 52;

function describe(gain, view) {
  const { metric, study } = view;
  if (!known(gain.gain)) return `${gain.stage}: ${gain.verdict}.`;
  const digits = decimalsFor([gain.row.seed_error]);
  if (!study.verdicts) return `${gain.stage}: ${signed(gain.gain, digits)} ${metric} so far, over ${many(gain.row.n_seeds, "seed")}. No verdict before the plan is complete.`;
  const parts = [`${gain.stage}: gain ${signed(gain.gain, digits)} ${metric}`];
  if (known(gain.low)) parts.push(`95 % interval ${span(gain.low, gain.high, digits)} over ${many(gain.row.n_seeds, "seed")}`);
  if (known(gain.row.p_value)) parts.push(`p ${pText(gain.row.p_value)} alone, ${pText(gain.row.p_adjusted)} after ${gain.row.correction} over ${many(gain.row.tests, "test")}`);
  return `${parts.join(", ")}: ${gain.verdict}.`;
}

function gainsPanel(view, body) {
  const { study, gains, metric, task } = view;
  if (!gains.length) return put(body, h("p", { class: "none" }, study.contrasts.length
    ? "This metric has no gain here: choose another metric or task." : "This study compares no arms: it has scores, and no gains."));
  put(body, forest(view, gains, { width: body.clientWidth }), keyOf(view, gains));
  repick(view, body);
  const mde = gains.map((gain) => gain.mde).find(known);
  if (mde) put(body, h("p", { class: "note" },
    `Pale bar: a gain within it would have been missed by more than one in five repeats of this study (${[...new Set(d3.extent(gains, (g) => g.mde).map((x) => rough(x)))].join(" to ")} ${metric}). A grey mark is no proof of no effect.`));
}

/** The forest: a stage is a button, its mark and its numbers stand in the same row. */
function forest(view, gains, { width, small = false, domain = null, title = "Gains" }) {
  const digits = decimalsFor(gains.map((gain) => gain.row.seed_error));
  const narrow = width < 560 || small;
  const names = narrow ? Math.min(150, Math.round(width * 0.38)) : Math.min(280, Math.max(140, 8 * d3.max(gains, (gain) => gain.stage.length)));
  const numbers = narrow ? 0 : 286, drawn = Math.max(140, width - names - numbers - 4);
  const x = domain ?? forestDomain(gains, view);
  const box = h("div", { class: `forest${gains.length > 16 ? " long" : ""}${narrow ? " narrow" : ""}`, role: "group", "aria-label": title, style: { gridTemplateColumns: `${names}px ${drawn}px ${narrow ? "" : "1fr"}` } });
  put(box, 
    h("div", { class: "head" }, "stage"),
    h("div", { class: "head axis" }, forestAxis(x, drawn, view)),
    narrow ? null : h("div", { class: "head num" }, `gain, ${study_interval(view)}`),
    h("div", { class: "names" }, gains.map((gain) => h("button", {
      type: "button", class: "row", "aria-pressed": String(gain.stage === view.pick), title: describe(gain, view), "data-focus": `stage/${gain.stage}`,
      onclick: () => pickStage(gain.stage),
    }, h("span", {}, name(gain.stage)), h("span", { class: "unseen" }, `. ${describe(gain, view)}`)))),
    forestMarks(gains, x, drawn, view),
    narrow ? null : h("div", { class: "numbers" }, gains.map((gain) => h("div", { class: `row${gain.stage === view.pick ? " picked" : ""}`, onclick: () => pickStage(gain.stage) },
      h("span", { class: "figure" }, gain.kind === "identical" ? "0" : signed(gain.gain, digits), h("small", {}, gain.kind !== "identical" && known(gain.low) ? ` ${span(gain.low, gain.high, digits)}` : "")),
      h("span", { class: `verdict ${markOf(gain.kind).way} ${markOf(gain.kind).shape}` }, KINDS[gain.kind] ?? gain.verdict)))));
  return box;
}

function study_interval(view) { return view.study.verdicts ? "95 % interval" : "so far"; }

function forestDomain(gains, view) {
  const all = gains.flatMap((gain) => (view.study.verdicts ? [gain.gain, gain.low, gain.high, gain.mde, known(gain.mde) ? -gain.mde : null] : gain.bySeed));
  return extent(all, { zero: true });
}

function forestAxis(x, width, view) {
  return figure(`Axis of gains in ${view.metric}`, {
    width, height: AXIS, marginTop: 44, marginBottom: 4, marginLeft: 10, marginRight: 10, x: { domain: x },
    marks: [
      Plot.axisX({ anchor: "top", ticks: Math.max(3, Math.round(width / 80)), tickFormat: tick, label: null, tickSize: 4, color: SOFT }),
      Plot.text([x[1]], { x: (d) => d, frameAnchor: "top", text: () => `better \u2192 (${view.metric})`, textAnchor: "end", dy: -40, fill: SOFT }),
    ],
  });
}

function forestMarks(gains, x, width, view) {
  const y = (gain) => gain.stage, verdicts = view.study.verdicts;
  const seeds = verdicts ? [] : gains.flatMap((gain) => gain.bySeed.filter(known).map((value) => ({ stage: gain.stage, value })));
  const svg = figure(`${gains.length} gains in ${view.metric}, plus is better; the buttons beside the figure say each in words`, {
    width, height: gains.length * ROW, marginTop: 0, marginBottom: 0, marginLeft: 10, marginRight: 10,
    x: { domain: x, axis: null }, y: { domain: gains.map(y), axis: null, padding: 0 },
    marks: [
      Plot.gridX({ stroke: LINE, strokeOpacity: 1, ticks: Math.max(3, Math.round(width / 80)) }),
      Plot.barX(gains.filter((gain) => known(gain.mde)), { x1: (gain) => Math.max(x[0], -gain.mde), x2: (gain) => Math.min(x[1], gain.mde), y, fill: PALE, insetTop: 12, insetBottom: 12, rx: 3 }),
      Plot.ruleX([0], { stroke: INK, strokeWidth: 1 }),
      Plot.dot(seeds, { x: "value", y: "stage", r: 3.5, stroke: SOFT, strokeWidth: 1.5 }),
      Plot.ruleY(gains.filter((gain) => known(gain.low)), { x1: "low", x2: "high", y, stroke: colourOf, strokeWidth: (gain) => (markOf(gain.kind).shape === "grey" ? 1.75 : 2.75) }),
      verdicts ? gainDots(gains, { x: "gain", y }) : null,
      Plot.tip(gains, Plot.pointerY({ x: "gain", y, title: (gain) => wrap(describe(gain, view)), fill: "var(--card)", stroke: LINE, fontSize: 12, lineHeight: 1.3, pointerSize: 6 })),
    ],
  });
  svg.addEventListener("click", () => { if (svg.value) pickStage(svg.value.stage); });
  return h("div", { class: "marks" }, h("div", { class: "chosen" }), svg);
}

/** Show the chosen stage in a forest that is drawn already: a choice draws no figure anew. */
function repick(view, body) {
  for (const box of body.querySelectorAll(".forest")) {
    const buttons = [...box.querySelectorAll("button.row")], at = buttons.findIndex((button) => button.dataset.focus === `stage/${view.pick}`);
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === at)));
    [...box.querySelectorAll(".numbers .row")].forEach((row, i) => row.classList.toggle("picked", i === at));
    const bar = box.querySelector(".chosen");
    bar.hidden = at < 0;
    bar.style.top = `${ROW * at}px`;
  }
}

/** A text in lines of some 56 characters, for a tip. */
function wrap(text, most = 56) {
  return text.split(" ").reduce((lines, word) => {
    if ((lines.at(-1) + word).length > most) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
    return lines;
  }, [""]).join("\n");
}

/** What the marks mean, drawn as the marks. */
function keyOf(view, gains) {
  if (!view.study.verdicts) return h("p", { class: "key" }, h("i", { class: "dot seed" }), " one seed's difference, plus is better. ", h("strong", {}, "No verdict before the plan is complete: looking after every seed finds effects that are not there."));
  const correction = gains[0]?.row.correction ?? "correction";
  const claims = correction === "Holm";
  return h("p", { class: "key" },
    h("span", {}, h("i", { class: "dot filled" }), ` holds after ${correction}`), h("span", {}, h("i", { class: "dot ring" }), claims ? " alone only" : " exploration"),
    h("span", {}, h("i", { class: "dot none" }), " not seen"), h("span", {}, h("i", { class: "bar" }), " could have been missed"),
    h("span", {}, h("b", { class: "better" }, "blue"), " better, ", h("b", { class: "worse" }, "orange"), " worse"));
}
