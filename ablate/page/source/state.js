// The view: what is chosen, kept in the URL's hash so that a link restores it and Back undoes it.

const CHOICES = ["study", "beside", "metric", "task", "est", "pick", "arm", "other", "unit", "across", "rows", "sort", "at"];
let STUDIES = [], VIEW = null, CHANGED = () => {};

/** What the hash says: name -> text. */
function fromHash() {
  const asked = {};
  for (const part of location.hash.slice(1).split("&")) {
    const cut = part.indexOf("=");
    if (cut < 1) continue;
    const name = part.slice(0, cut);
    if (!CHOICES.includes(name)) continue;
    try { asked[name] = decodeURIComponent(part.slice(cut + 1)); } catch { /* a hash cut in the middle of a letter */ }
  }
  return asked;
}

function toHash(asked) {
  return "#" + CHOICES.filter((name) => asked[name]).map((name) => `${name}=${encodeURIComponent(asked[name])}`).join("&");
}

/** The view that was asked for, with what is there in place of what is not, and a line for each such place. */
function resolve(asked) {
  const lost = [];
  const of = (what, value, there, fallback) => {
    if (value === undefined || there.includes(value)) return value ?? fallback;
    lost.push(`${what} "${value}" is not here`);
    return fallback;
  };
  const study = STUDIES[STUDIES.findIndex((one) => one.id === of("study", asked.study, STUDIES.map((one) => one.id), STUDIES[0].id))];
  const others = STUDIES.filter((one) => one !== study);
  const beside = asked.beside === undefined ? others : others.filter((one) => asked.beside.split(",").includes(encodeURIComponent(one.id)));
  const metric = of("metric", asked.metric, study.names, study.names.includes(study.head.primary) ? study.head.primary : study.names[0]);
  const tasks = tasksWith(study, metric);
  const task = of("task", asked.task, tasks, tasks.includes(study.head.headline) ? study.head.headline : tasks[0]);
  const estimand = of("estimand", asked.est, study.estimands, study.estimands[0]);
  const gains = gainsOf(study, metric, task, estimand);
  const pick = of("stage", asked.pick, gains.map((gain) => gain.stage), null);
  const arms = study.arms.map((row) => row.arm);
  const arm = of("arm", asked.arm, arms, arms.includes(study.head.reference) ? study.head.reference : arms[0]);
  const chosen = gains.find((gain) => gain.stage === pick) ?? null;
  const other = of("arm", asked.other, arms, armsOf(chosen).find((one) => one !== arm) ?? null);
  return { asked, lost, study, beside, metric, task, tasks, estimand, gains, pick, chosen, arm, other, unit: asked.unit ?? "", across: asked.across ?? "", rows: asked.rows ?? "", sort: asked.sort ?? "", at: asked.at ?? "" };
}

/** Change the view. A choice is a step that Back undoes; an order of rows is not. */
function choose(change, { step = true } = {}) {
  const asked = { ...VIEW.asked, ...change };
  if ("study" in change) for (const name of ["metric", "task", "est", "pick", "arm", "other"]) if (!(name in change)) carry(asked, name, change.study);
  if ("pick" in change && !("other" in change)) delete asked.other;
  delete asked.at;
  for (const name of Object.keys(asked)) if (asked[name] === null || asked[name] === undefined) delete asked[name];
  history[step ? "pushState" : "replaceState"](null, "", toHash(asked));
  show(asked);
}

/** Keep a choice in another study where it has the same thing; else leave it to that study's own. */
function carry(asked, name, id) {
  const study = STUDIES.find((one) => one.id === id);
  const there = { metric: study.names, task: [AGGREGATE, ...study.tasks], est: study.estimands, pick: study.contrasts.map((row) => row.stage), arm: [], other: [] }[name];
  if (!there.includes(asked[name])) delete asked[name];
}

function show(asked) {
  VIEW = resolve(asked);
  if (VIEW.lost.length) say(`${VIEW.lost.join("; ")}: what the study leads with is shown instead.`);
  CHANGED(VIEW);
}

/** Choose a stage, or none when it is chosen already. */
function pickStage(stage) { choose({ pick: VIEW.pick === stage ? null : stage }); }
