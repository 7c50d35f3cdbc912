// Numbers and words. A minus is a real minus on the page; what is copied has the characters of the files.

const MINUS = "\u2212", DASH = "\u2013";

/** Whether there is a number. */
function known(x) { return typeof x === "number" && Number.isFinite(x); }

/** A number as effects.csv writes it: six significant digits, C's %g. */
function six(x, digits = 6) {
  if (!known(x)) return "";
  if (x === 0) return "0";
  const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  if (power < -4 || power >= digits) {
    const size = String(Math.abs(power)).padStart(2, "0");
    return mantissa.replace(/\.?0+$/, "") + "e" + (power < 0 ? "-" : "+") + size;
  }
  const text = x.toFixed(Math.max(0, digits - 1 - power));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** With a sign and fixed digits; a dash where nothing was measured. */
function signed(x, digits = 4) {
  if (!known(x)) return DASH;
  const text = Math.abs(x).toFixed(digits);
  return (x < 0 && Number(text) !== 0 ? MINUS : "+") + text;
}

/** Fixed digits without a plus. */
function plain(x, digits = 4) { return known(x) ? x.toFixed(digits).replace("-", MINUS) : DASH; }

/** About `digits` significant digits, for prose. */
function rough(x, digits = 2) { return known(x) ? six(Number(x.toPrecision(digits))).replace("-", MINUS) : DASH; }

/** A p-value as the report writes it. */
function pText(p) { return !known(p) ? DASH : p < 0.001 ? "<0.001" : p.toFixed(3); }

/** From low to high, in words. */
function span(low, high, digits = 4) { return known(low) && known(high) ? `${signed(low, digits)} to ${signed(high, digits)}` : DASH; }

/** Decimals with which a list of errors shows two significant digits. */
function decimalsFor(errors) {
  const some = errors.filter((x) => known(x) && x > 0).sort((a, b) => a - b);
  if (!some.length) return 4;
  const middle = some[Math.floor(some.length / 2)];
  return Math.min(6, Math.max(1, 1 - Math.floor(Math.log10(middle))));
}

/** 499712 -> 0.50 M. */
function count(x) {
  if (!known(x)) return DASH;
  const sizes = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];
  for (const [size, letter] of sizes) if (Math.abs(x) >= 0.9995 * size) return `${six(x / size, 3)} ${letter}`;
  return six(x, 3);
}

/** Ticks of an axis: short, never 6.9e-18. */
function tick(x) { return Math.abs(x) < 1e-12 ? "0" : six(Number(x.toPrecision(6))).replace("-", MINUS); }

function seconds(s) {
  if (!known(s)) return DASH;
  if (s < 90) return `${rough(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${(s / 3600).toPrecision(2)} h` : `${(s / 86400).toPrecision(2)} days`;
}

function percent(share, digits = 1) { return known(share) ? `${(100 * share).toFixed(digits)} %` : DASH; }

/** "1 seed", "3 seeds". */
function many(n, word) { return `${n} ${word}${n === 1 ? "" : "s"}`; }

/** What a kind of finding is called at a mark. */
const KINDS = {
  helps: "helps", hurts: "hurts", may_help: "may help (exploration)", may_hurt: "may hurt (exploration)",
  suggests_help: "helps, alone only", suggests_hurt: "hurts, alone only", none_seen: "no effect seen",
  identical: "changed nothing", one_seed: "one seed: no interval, no verdict", no_runs: "runs missing", no_spread: "no spread",
  failed: "runs failed", incomplete: "no verdict before the plan is complete",
};

/** How a mark is drawn: filled, ring or grey; better, worse or neither. */
function markOf(kind) {
  const claim = kind === "helps" || kind === "hurts";
  const open = /^(may|suggests)_/.test(kind);
  const way = claim || open ? (/help/.test(kind) ? "better" : "worse") : "none";
  return { shape: claim ? "filled" : open ? "ring" : "grey", way };
}
