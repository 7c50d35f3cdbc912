// The numbers of the view, as effects.csv holds them, to sort and to copy.

const NUMBERS = [
  ["stage", "stage", (g) => g.stage], ["task", "task", (g) => g.row.task], ["gain", "gain, plus is better", (g) => g.gain],
  ["estimate", "estimate", (g) => g.row.estimate], ["ci_low", "95 % low", (g) => g.row.ci_low], ["ci_high", "95 % high", (g) => g.row.ci_high],
  ["n_seeds", "seeds", (g) => g.row.n_seeds], ["seed_error", "seed error", (g) => g.row.seed_error], ["item_error", "item error", (g) => g.row.item_error],
  ["p_value", "p", (g) => g.row.p_value], ["p_adjusted", "p adjusted", (g) => g.row.p_adjusted], ["mde", "could be seen", (g) => g.row.mde],
  ["noise_floor", "noise of a run", (g) => g.row.noise_floor], ["verdict", "verdict", (g) => g.verdict],
];

function numbersPanel(view, body) {
  const { study, metric, estimand } = view, everywhere = view.rows === "every";
  const gains = everywhere ? view.tasks.flatMap((task) => gainsOf(study, metric, task, estimand)) : view.gains;
  if (!gains.length) return put(body, h("p", { class: "none" }, "No gains in this view."));
  const hidden = study.verdicts ? [] : ["ci_low", "ci_high", "p_value", "p_adjusted", "mde", "seed_error"];
  const columns = NUMBERS.filter(([id]) => !hidden.includes(id)), [by, down] = [view.sort.replace(/^-/, ""), view.sort.startsWith("-")];
  const column = columns.find(([id]) => id === by), rows = [...gains];
  if (column) rows.sort((a, b) => (down ? -1 : 1) * d3.ascending(column[2](a), column[2](b)));
  put(body, h("div", { class: "tools" }, segments("rows", [["", "this task"], ["every", "every task"]], everywhere ? "every" : "", (value) => choose({ rows: value || null }, { step: false })),
    h("div", { class: "segments", role: "group", "aria-label": "copy" }, copyKinds(view).map(([id, words, make]) => h("button", { type: "button", "data-copy": id, onclick: () => copy(make(), words) }, `Copy ${words}`)))));
  put(body, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of effects" }, h("table", { class: "numbers-table" },
    h("thead", {}, h("tr", {}, columns.map(([id, words]) => h("th", { scope: "col", class: ["stage", "task", "verdict"].includes(id) ? null : "num", "aria-sort": id === by ? (down ? "descending" : "ascending") : null },
      h("button", { type: "button", "data-focus": `sort/${id}`, onclick: () => choose({ sort: by !== id ? id : down ? null : `-${id}` }, { step: false }) }, words, h("span", { "aria-hidden": "true" }, id === by ? (down ? " \u2193" : " \u2191") : "")))))),
    h("tbody", {}, rows.map((gain) => h("tr", { class: gain.stage === view.pick ? "picked" : null }, columns.map(([id, , value]) => {
      const shown = value(gain);
      if (id === "stage") return h("th", { scope: "row" }, h("button", { type: "button", class: "link", "data-focus": `number/${gain.row.task}/${gain.stage}`, "aria-pressed": String(gain.stage === view.pick), onclick: () => pickStage(gain.stage) }, name(shown)));
      return h("td", { class: ["task", "verdict"].includes(id) ? null : "num", "data-value": id }, typeof shown === "number" ? six(shown).replace("-", MINUS) : shown ?? DASH);
    })))))));
}

async function copy(text, words) {
  try { await navigator.clipboard.writeText(text); } catch { copyByHand(text); }
  say(`Copied ${many(text.trimEnd().split("\n").length, "line")} of ${words}.`);
}

/** For browsers that keep the clipboard from pages opened as files. */
function copyByHand(text) {
  const area = h("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
