// What the copy buttons give: the characters of the files that the commands write.

const EFFECTS = ["factor", "level", "versus", "estimand", "task", "metric", "higher_is_better", "estimate", "ci_low", "ci_high", "ci_low_items", "ci_high_items", "n_seeds", "seed_error", "item_error", "p_value", "p_adjusted", "verdict", "mde", "mde_upper", "tests", "df", "method", "correction", "noise_floor", "runs_failed"];

function copyKinds(view) { return [["csv", "CSV", () => effectsCsv(view)]]; }

/** Rows of effects.csv of this view, with its header. */
function effectsCsv(view) {
  const gains = view.rows === "every" ? view.tasks.flatMap((task) => gainsOf(view.study, view.metric, task, view.estimand)) : view.gains;
  const columns = gains.some((gain) => "gain" in gain.row) ? [...EFFECTS, "gain"] : EFFECTS;
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
