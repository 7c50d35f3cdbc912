// The page: panels in order, each drawn when it comes into sight and again when the view changes.

let PRINTING = false;
const PANELS = [
  { id: "gains", title: "What each stage is worth", draw: gainsPanel, repick,
    says: (view) => `Gain in ${view.metric} on ${taskWords(view.study, view.task, view.metric)}, turned so that plus is better${view.study.better.get(view.metric) ? "" : ` (${view.metric} itself: lower is better)`}. Each is the difference between arms that differ in one stage.`,
    limits: "It speaks of this pool, proxy and budget; a larger model may order the stages otherwise." },
  { id: "beside", title: "Studies side by side", when: (view) => STUDIES.length > 1, draw: comparePanel,
    says: () => "Stages are matched by name and levels. Each study has its own axis unless metric, items, tokens and model agree.",
    limits: "Nothing is pooled; a sign may be compared where a size may not." },
  { id: "stage", title: "One stage, seed by seed", draw: stagePanel,
    says: () => "Each dot is the difference between two runs that share a seed: the same initial weights and data order.",
    limits: "Few seeds say little of the shape of the noise." },
  { id: "matrix", title: "Stage by task", draw: matrixPanel, says: (view) => `Gains in ${view.metric} on every task that has it, plus is better.`,
    limits: "Single tasks are corrected apart from the aggregate; colour is how far a gain stands out of its interval, not its size." },
  { id: "curves", title: "Score against tokens", draw: curvesPanel, says: () => "Means over seeds as measured, without smoothing.",
    limits: "Each figure has its own axis; bands are ranges of seeds, not intervals of a difference." },
  { id: "funnel", title: "What was kept", draw: funnelPanel, says: () => "What is left after each stage, in order.", limits: "Shares are of this pool; the order of stages decides what each finds left to drop." },
  { id: "cost", title: "Gain and cost", draw: costPanel, says: () => "A gain beside what the stage takes away, or beside the CPU time it needs.", limits: "Seconds are those of the machine that curated." },
  { id: "noise", title: "Noise and what can be ranked", draw: noisePanel, says: () => "Where the range of arms is not several times the noise of a run, the task cannot rank these arms at this scale.", limits: "The range of arms holds noise too." },
  { id: "budget", title: "Would a smaller budget have decided the same?", draw: budgetPanel, says: () => "The share of pairs of arms that rank at a smaller budget as they do at the end.", limits: "The end itself is noisy: two sets of seeds need not agree." },
  { id: "runs", title: "Runs", draw: runsPanel, says: () => "Every planned run; choose one for its reason, log, cost and configuration.", limits: "" },
  { id: "numbers", title: "The numbers", draw: numbersPanel, says: (view) => `Effects of this view. \u201cestimate\u201d and its interval are as effects.csv has them, level minus versus in ${view.metric}, not turned.`, limits: "" },
  { id: "again", title: "To make it again", draw: againPanel, says: () => "", limits: "" },
];
const DRAWN = new Map();

function layOut() {
  const main = document.getElementById("main");
  main.replaceChildren(h("div", { id: "head" }), h("nav", { "aria-label": "Panels" }), ...PANELS.map((panel) => h("section", { id: panel.id, "aria-labelledby": `${panel.id}-title`, class: "panel" },
    h("h2", { id: `${panel.id}-title` }, h("a", { href: `#at=${panel.id}`, onclick: (event) => { event.preventDefault(); goTo(panel.id); } }, panel.title)),
    h("p", { class: "says" }), h("div", { class: "body" }))));
  const watch = new IntersectionObserver((entries) => { for (const entry of entries) if (entry.isIntersecting) draw(entry.target.id); }, { rootMargin: "300px" });
  for (const panel of PANELS) watch.observe(document.getElementById(panel.id));
}

/** Draw a panel if what is drawn there is of another view. */
function draw(id) {
  if (DRAWN.get(id) === VIEW) return;
  const panel = PANELS.find((one) => one.id === id), section = document.getElementById(id), body = section.querySelector(".body");
  section.hidden = Boolean(panel.when && !panel.when(VIEW));
  const drawn = DRAWN.get(id);
  DRAWN.set(id, VIEW);
  if (panel.repick && drawn && ["study", "metric", "task", "estimand"].every((part) => drawn[part] === VIEW[part])) return panel.repick(VIEW, body);
  section.querySelector(".says").replaceChildren(panel.says(VIEW), panel.limits ? h("span", { class: "limits" }, ` ${panel.limits}`) : "");
  if (section.hidden) return;
  const focus = document.activeElement?.dataset?.focus, inside = section.contains(document.activeElement), across = body.querySelector(".forest.long")?.scrollTop;
  body.replaceChildren();
  panel.draw(VIEW, body);
  body.style.minHeight = "";
  if (across) body.querySelector(".forest.long").scrollTop = across;
  if (inside && focus) [...section.querySelectorAll("[data-focus]")].find((one) => one.dataset.focus === focus)?.focus({ preventScroll: true });
}

function redraw(id) { DRAWN.delete(id); draw(id); }

/** Everything that is in sight, now; the rest when it comes into sight. */
function drawAll(view) {
  document.title = `${view.study.label} \u00b7 ablate`;
  const focus = document.activeElement?.id || null, inBar = document.getElementById("bar").contains(document.activeElement);
  drawBar(view);
  if (inBar && focus) document.getElementById(focus)?.focus({ preventScroll: true });
  const head = document.getElementById("head");
  head.replaceChildren();
  drawHead(view, head);
  told(NEWS);
  document.querySelector("main nav").replaceChildren(...PANELS.filter((panel) => !panel.when || panel.when(view)).map((panel) => h("a", { href: `#at=${panel.id}`, onclick: (event) => { event.preventDefault(); goTo(panel.id); } }, panel.title)));
  for (const { id } of PANELS) {
    const box = document.getElementById(id).getBoundingClientRect();
    if (PRINTING || (box.top < innerHeight && box.bottom > 0)) draw(id);
  }
  document.getElementById("foot").replaceChildren(footer(view));
  drawRest();
}

/** What is out of sight, when nothing else is to be done: a reader's search and a screen reader find it as chosen. */
function drawRest() {
  clearTimeout(drawRest.timer);
  const next = PANELS.find(({ id }) => DRAWN.get(id) !== VIEW);
  document.documentElement.dataset.drawn = next ? "some" : "all";
  if (next) drawRest.timer = setTimeout(() => { draw(next.id); drawRest(); }, 30);
}

function footer(view) {
  return h("p", {}, `ablate, plan ${view.study.head.digest || "not known"}. ${isLive() ? "Sent by a server on this machine, which only reads." : "This file holds everything it shows and asks no network."} Drawn with `, "Observable Plot and D3 (ISC).", h("span", { class: "print-only" }, ` View: ${toHash(view.asked)}`));
}

/** Go to a panel, and say so in the URL. */
function goTo(id) {
  const asked = { ...VIEW.asked, at: id };
  history.pushState(null, "", toHash(asked));
  VIEW.asked = asked;
  scrollTo(id);
}

function scrollTo(id) {
  if (!PANELS.some((panel) => panel.id === id)) return;
  for (const panel of PANELS) { draw(panel.id); if (panel.id === id) break; }
  const section = document.getElementById(id);
  section.scrollIntoView({ block: "start" });
  section.querySelector("h2 a").focus({ preventScroll: true });
}

async function start() {
  STUDIES = await readStudies();
  if (!STUDIES.length) return document.getElementById("main").replaceChildren(h("p", {}, "This page holds no study."));
  const seen = new Map();
  for (const study of STUDIES) {
    const times = (seen.get(study.name) ?? 0) + 1;
    seen.set(study.name, times);
    study.id = times > 1 ? `${study.name}~${times}` : study.name;
  }
  for (const study of STUDIES) study.label = STUDIES.filter((one) => one.head.title === study.head.title).length > 1 ? `${study.head.title} (${study.id})` : study.head.title;
  layOut();
  CHANGED = drawAll;
  show(fromHash());
  if (VIEW.at) scrollTo(VIEW.at);
  addEventListener("popstate", () => { show(fromHash()); if (VIEW.at) scrollTo(VIEW.at); });
  addEventListener("keydown", (event) => { if (event.key === "Escape" && VIEW.pick && !event.defaultPrevented) choose({ pick: null }); });
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); document.getElementById("main").focus(); });
  let width = innerWidth, waiting = null;
  addEventListener("resize", () => { if (innerWidth === width) return; width = innerWidth; clearTimeout(waiting); waiting = setTimeout(again, 120); });
  addEventListener("beforeprint", () => { PRINTING = true; document.body.classList.add("printing"); again(); });
  addEventListener("afterprint", () => { PRINTING = false; document.body.classList.remove("printing"); again(); });
  document.documentElement.dataset.ready = "yes";
  startLive();
}

function again() { DRAWN.clear(); drawAll(VIEW); }

start();
