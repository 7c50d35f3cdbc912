// What the copy buttons give: the characters of the files that the commands write.

const ASIDE = ["contrast", "kind", "mde_noise", "mde_df", "by_seed"]; // of the file's columns, what effects.csv does without

function copyKinds(view) { return [["csv", "CSV", () => effectsCsv(view)]]; }

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
