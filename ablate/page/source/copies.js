// What the copy buttons give: the characters of the files that the commands write.

const ASIDE = ["contrast", "kind", "mde_noise", "mde_df", "by_seed"]; // of the file's columns, what effects.csv does without

/** [id, words, text] of each button: rows of effects.csv, and the tables that `ablate table` prints where they are of this view. */
function copyKinds(view) {
  const { study, metric, estimand, task } = view, kind = view.rows === "every" ? "tasks" : "gains";
  const mine = study.copies.filter((row) => row.kind === kind && row.metric === metric && row.estimand === estimand && (kind === "tasks" || row.task === task));
  const words = { latex: "LaTeX", markdown: "Markdown" };
  return [["csv", "CSV", () => effectsCsv(view)], ...mine.map((row) => [row.format, words[row.format] ?? row.format, () => row.text])];
}

/** Rows of effects.csv of this view, with its header. */
function effectsCsv(view) {
  const gains = view.rows === "every" ? view.tasks.flatMap((task) => gainsOf(view.study, view.metric, task, view.estimand)) : view.gains;
  const columns = Object.keys(gains[0]?.row ?? {}).filter((column) => !ASIDE.includes(column));
  return [columns, ...gains.map((gain) => columns.map((column) => cellText(gain.row[column], column)))].map((line) => line.map(quoted).join(",") + "\n").join("");
}

const WHOLE = ["n_seeds", "tests"];

function cellText(value, column) {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "number" && !WHOLE.includes(column) ? six(value) : String(value);
}

/** A cell as Python's csv module quotes it. */
function quoted(text) { return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; }
