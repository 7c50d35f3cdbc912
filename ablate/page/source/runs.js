// Every planned run: done, failed with the end of its log, or missing.

const STATUS = { done: ["\u2713", "done"], failed: ["\u2717", "failed"], waiting: ["\u00b7", "waiting"], running: ["\u25b6", "running"], "not needed": ["\u2013", "not needed any more"], "given up": ["\u2013", "given up"], "not imported": ["?", "not imported"] };

/** The run whose details are shown: it stays when news come. */
let OPENED = null;

function runsPanel(view, body) {
  const { study } = view, counts = d3.rollup(study.runs, (runs) => runs.length, (run) => run.status);
  const seeds = [...new Set(study.runs.map((run) => run.seed))], twins = d3.rollup(study.runs.filter((run) => run.run), (runs) => runs, (run) => key(run.run));
  put(body, h("p", { class: "lead" }, [...counts].map(([status, n]) => `${n} ${STATUS[status]?.[1] ?? status}`).join(", ") + ` of ${many(study.runs.length, "planned run")}.`));
  const details = h("div", { class: "details", id: "run" });
  const cell = (arm, seed) => {
    const run = study.runs.find((one) => one.arm === arm && one.seed === seed);
    if (!run) return h("td", {}, "");
    const twin = (run.run && twins.get(key(run.run)) || []).find((one) => one !== run && one.seed === seed);
    const [sign, words] = STATUS[run.status] ?? [run.status, run.status];
    return h("td", { class: `run ${run.status.replace(" ", "-")}` }, h("button", { type: "button", "aria-label": `${arm}, seed ${seed}: ${words}${twin ? `, the same run as ${twin.arm}` : ""}`, title: words, "data-focus": `run/${arm}/${seed}`,
      onclick: () => { OPENED = key(run.arm, run.seed); details.replaceChildren(runDetails(view, run, twin)); } }, twin && study.runs.indexOf(twin) < study.runs.indexOf(run) ? "=" : known(run.progress) && run.status === "running" ? `${Math.round(100 * run.progress)}` : sign));
  };
  put(body, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Grid of arms and seeds" }, h("table", { class: "runs" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "arm"), seeds.map((seed) => h("th", { scope: "col", class: "num" }, h("small", {}, `seed ${seed}`))))),
    h("tbody", {}, study.arms.map(({ arm }) => h("tr", { class: armsOf(view.chosen).includes(arm) ? "picked" : null }, h("th", { scope: "row" }, name(arm)), seeds.map((seed) => cell(arm, seed))))))),
  h("p", { class: "key" }, h("span", {}, "\u2713 done"), h("span", {}, "\u2717 failed"), isLive() ? h("span", {}, "a number: % of the tokens of a running run") : null, h("span", {}, "\u00b7 waiting"), h("span", {}, "= the same run as another arm's: their texts are the same")), details);
  const failed = study.runs.filter((run) => run.status === "failed"), open = study.runs.find((run) => key(run.arm, run.seed) === OPENED);
  if (open) put(details, runDetails(view, open, null));
  else if (failed.length) put(details, ...failed.slice(0, 6).map((run) => runDetails(view, run, null)));
}

function runDetails(view, run, twin) {
  const { study } = view, cost = study.cost.find((row) => row.arm === run.arm && row.seed === run.seed) ?? {};
  const changes = Object.entries(study.arms.find((row) => row.arm === run.arm)?.changes ?? {});
  return h("section", { class: run.status === "failed" ? "failure" : null }, h("h3", {}, name(run.arm), `, seed ${run.seed}: ${STATUS[run.status]?.[1] ?? run.status}`),
    run.why && h("p", {}, run.why),
    run.silent && h("p", {}, `Its log has not grown for ${seconds(run.silent)}.`),
    facts([
      twin && ["the same run as", name(twin.arm)], known(run.tokens) && ["trained on", `${count(run.tokens)} tokens${known(run.epochs) ? `, ${plain(run.epochs, 2)} epochs` : ""}`],
      known(cost.run_s) && ["took", `${seconds(cost.run_s)}${cost.device ? ` on ${cost.device}` : ""}`], known(cost.tokens_per_s) && ["speed", `${count(cost.tokens_per_s)} tokens/s`],
      run.run && ["key", h("code", {}, String(run.run).slice(0, 16))],
      changes.length && ["differs from the reference in", changes.map(([path, value], i) => [i ? "; " : "", h("code", {}, `${path}=${JSON.stringify(value)}`)])],
    ]),
    run.log && atItsEnd(h("pre", { tabindex: "0", "aria-label": "End of the log" }, run.log)),
    run.status === "failed" && h("p", { class: "note" }, "To run what is missing again: ", h("code", {}, `ablate sweep study=${study.name}`)));
}

/** A box scrolled to its last line, where the reason stands. */
function atItsEnd(box) { requestAnimationFrame(() => { box.scrollTop = box.scrollHeight; }); return box; }
