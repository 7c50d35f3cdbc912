// Figures by Observable Plot, in one style: no legend that needs looking up, our colours, our fonts.

const INK = "var(--ink)", SOFT = "var(--soft)", FAINT = "var(--faint)", LINE = "var(--line)", BETTER = "var(--better)", WORSE = "var(--worse)", PALE = "var(--pale)";

/** A figure with a name for those who do not see it. */
function figure(label, options) {
  const plot = Plot.plot({
    style: { fontFamily: "inherit", fontSize: "12px", color: "var(--ink)", background: "transparent", overflow: "visible" },
    ...options,
  });
  const svg = plot.tagName === "svg" ? plot : plot.querySelector("svg");
  for (const part of svg.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  for (const part of svg.querySelectorAll("[aria-description]")) part.removeAttribute("aria-description");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  return plot;
}

/** Room for a figure in a box, in pixels. */
function room(box, most = 1200) { return Math.max(200, Math.min(most, Math.floor(box.clientWidth || 300))); }

/** From below to above all values, with a margin on both sides; around zero where asked. */
function extent(values, { zero = false } = {}) {
  const some = values.filter(known);
  if (zero) some.push(0);
  if (!some.length) return [-1, 1];
  const [low, high] = d3.extent(some), margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - margin, high + margin];
}

function colourOf(gain) {
  const { way } = markOf(gain.kind);
  return way === "better" ? BETTER : way === "worse" ? WORSE : SOFT;
}

/** Dots of gains: filled holds, ring alone, small and grey for not seen. */
function gainDots(gains, options) {
  const shape = (gain) => markOf(gain.kind).shape;
  return Plot.dot(gains.filter((gain) => known(gain.gain)), {
    r: (gain) => (shape(gain) === "grey" ? 4 : 6), fill: (gain) => (shape(gain) === "ring" ? "var(--card)" : colourOf(gain)),
    stroke: colourOf, strokeWidth: 2.25, ...options,
  });
}

/** Text in a figure that a mark behind it does not hide. */
function label(data, options) {
  return Plot.text(data, { fill: INK, stroke: "var(--card)", strokeWidth: 4, fontSize: 12, ...options });
}
