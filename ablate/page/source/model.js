// What study.json says, ready to be asked. Nothing is estimated here: effects are those of the file.

const AGGREGATE = "aggregate";

/** Every study of the page, unpacked. */
async function readStudies() {
  const blocks = [...document.querySelectorAll("script.study")];
  return Promise.all(blocks.map(async (block) => prepare(JSON.parse(
    block.type === "application/gzip" ? await unpack(block.textContent) : block.textContent))));
}

/** Rows of a table of columns. */
function rowsOf(table) {
  const names = Object.keys(table);
  if (!names.length) return [];
  return table[names[0]].map((_, i) => Object.fromEntries(names.map((column) => [column, table[column][i]])));
}

/** A study with its rows and the indices that the panels ask. */
function prepare(read) {
  const study = { ...read, name: read.head.name };
  for (const table of ["arms", "metrics", "contrasts", "runs", "funnel", "dropped", "corpora", "screening", "noise", "decisions", "leaks", "cost", "curation", "provenance", "copies", "dropped_texts"]) {
    study[table] = rowsOf(read[table] ?? {});
  }
  study.scores = new Map();
  (read.scores.task ?? []).forEach((task, i) => study.scores.set(key(task, read.scores.metric[i]), { end: read.scores.end[i], curve: read.scores.curve[i] }));
  study.better = new Map(study.metrics.map((row) => [row.metric, row.higher_is_better]));
  study.names = [...new Set(read.effects.metric ?? study.metrics.map((row) => row.metric))];
  for (const row of study.metrics) if (!study.names.includes(row.metric)) study.names.push(row.metric);
  study.tasks = [...new Set(study.metrics.map((row) => row.task))];
  study.estimands = [...new Set(study.contrasts.map((row) => row.estimand))];
  study.verdicts = read.head.complete || read.head.sequential;
  study.gains = new Map();
  for (const row of rowsOf(read.effects)) {
    const gain = turned(row, study);
    const place = key(row.metric, row.task, row.estimand);
    if (!study.gains.has(place)) study.gains.set(place, []);
    study.gains.get(place).push(gain);
  }
  study.runsOf = new Map();
  study.runs.forEach((run, i) => {
    if (!study.runsOf.has(run.arm)) study.runsOf.set(run.arm, []);
    study.runsOf.get(run.arm).push(i);
  });
  return study;
}

function key(...parts) { return JSON.stringify(parts); }

/** An effect turned so that plus is better, with the file's own values beside it. */
function turned(row, study) {
  const sign = row.higher_is_better ? 1 : -1, flip = (x) => (known(x) ? sign * x : null);
  const ends = (low, high) => (sign > 0 ? [low, high] : [flip(high), flip(low)]);
  const contrast = known(row.contrast) ? study.contrasts[row.contrast] : null;
  const hidden = !study.verdicts;
  const [low, high] = hidden ? [null, null] : ends(row.ci_low, row.ci_high);
  const [lowItems, highItems] = hidden ? [null, null] : ends(row.ci_low_items, row.ci_high_items);
  return {
    row, contrast, sign, low, high, lowItems, highItems, stage: contrast?.stage ?? stageName(row), gain: flip(row.estimate),
    kind: hidden ? "incomplete" : row.kind, verdict: hidden ? KINDS.incomplete : row.verdict,
    mde: hidden ? null : row.mde, bySeed: (row.by_seed ?? []).map(flip),
  };
}

/** A contrast's name where the file has none. */
function stageName(row) {
  return row.level === "on" && row.versus === "off" ? row.factor : `${row.factor}: ${row.level} vs ${row.versus}`;
}

/** Gains of one metric, task and estimand, in the study's order. */
function gainsOf(study, metric, task, estimand) { return study.gains.get(key(metric, task, estimand)) ?? []; }

/** Tasks that have a metric, the aggregate first. */
function tasksWith(study, metric) {
  const single = study.metrics.filter((row) => row.metric === metric).map((row) => row.task);
  const whole = study.scores.has(key(AGGREGATE, metric)) || study.estimands.some((e) => gainsOf(study, metric, AGGREGATE, e).length);
  return whole ? [AGGREGATE, ...single] : single;
}

function metricRow(study, task, metric) { return study.metrics.find((row) => row.task === task && row.metric === metric); }

/** What a task is called in a sentence. */
function taskWords(study, task, metric) {
  if (task !== AGGREGATE) return task;
  const members = study.aggregates[metric] ?? [];
  return members.length === 1 ? members[0] : members.length ? `the mean over ${many(members.length, "task")}` : "the aggregate";
}

/** "lower is better". */
function direction(study, metric) { return study.better.get(metric) ? "higher is better" : "lower is better"; }

/** Arms with a weight in a contrast, those that count for it first. */
function armsOf(gain) {
  if (!gain?.contrast) return [];
  return Object.entries(gain.contrast.weights).filter(([, weight]) => weight).sort((a, b) => b[1] - a[1]).map(([arm]) => arm);
}

/** Whether a task can be believed at this scale; null where that was not asked. */
function screened(study, task, metric) {
  const row = study.screening.find((one) => one.task === task && one.metric === metric);
  if (!row) return null;
  const no = row.believed === false || row.believed === "no";
  return { believed: !no, why: row.failed || "" };
}

/** Mean score of an arm at each point: [{tokens, mean, low, high, n}]. */
function curveOf(study, arm, task, metric) {
  const found = study.scores.get(key(task, metric)), at = new Map();
  for (const i of study.runsOf.get(arm) ?? []) {
    const { soFar, points: grid } = study.runs[i];
    const values = found?.curve[i] ?? soFar?.scores[`${task}/${metric}`], points = study.points[grid] ?? soFar?.tokens;
    if (!values || !points) continue;
    values.forEach((value, k) => {
      if (!known(value)) return;
      if (!at.has(points[k])) at.set(points[k], []);
      at.get(points[k]).push(value);
    });
  }
  return [...at].sort((a, b) => a[0] - b[0]).map(([tokens, values]) => ({
    arm, tokens, n: values.length, mean: d3.mean(values), low: d3.min(values), high: d3.max(values),
  }));
}

/** Lines of an arm's funnel. */
function funnelOf(study, arm) { return study.funnel.filter((line) => line.arm === arm); }

/** What a stage left of the reference's texts: before and after. */
function stageLine(study, factor, arm = study.head.reference) {
  const lines = funnelOf(study, arm), i = lines.findIndex((line) => line.stage === factor);
  return i > 0 ? { before: lines[i - 1], after: lines[i] } : null;
}
