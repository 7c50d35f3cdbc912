// While a sweep runs: what the server says of every run, asked every two seconds; more seldom when nobody looks or nothing changes.

const POLL_MS = 2000, SLOWEST_MS = 30000;
let NEWS = null;

function isLive() { return document.documentElement.dataset.live === "yes"; }

function startLive() {
  if (!isLive()) return;
  let tag = null, pause = POLL_MS, timer = null;
  const ask = async () => {
    clearTimeout(timer);
    try {
      const answer = await fetch("/news.json", tag ? { headers: { "If-None-Match": tag } } : {});
      if (answer.status === 304) pause = Math.min(SLOWEST_MS, pause * 1.25);
      else if (!answer.ok) throw new Error(await answer.text());
      else {
        pause = POLL_MS;
        tag = answer.headers.get("ETag");
        await take(await answer.json());
      }
      told(NEWS);
    } catch (error) { lostServer(error); }
    timer = setTimeout(ask, document.hidden ? SLOWEST_MS : pause);
  };
  addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  ask();
}

/** News of every run; where records came, what is computed from them too. */
async function take(news) {
  const before = NEWS;
  NEWS = news;
  if (news.records !== STUDIES[0].news) {
    const answer = await fetch("/study.json");
    if (answer.ok) {
      const study = prepare(await answer.json()), { id, label } = STUDIES[0];
      STUDIES[0] = Object.assign(study, { id, label });
      mark(study, news);
      DRAWN.clear();
      return show(VIEW.asked);
    }
  }
  mark(STUDIES[0], news);
  if (!before || JSON.stringify(before.runs) !== JSON.stringify(news.runs)) { redraw("runs"); redraw("curves"); }
}

/** Put what runs do now over what was so when their effects were computed. */
function mark(study, news) {
  const now = new Map(news.runs.map((run) => [key(run.arm, run.seed), run]));
  for (const run of study.runs) {
    const found = now.get(key(run.arm, run.seed));
    if (!found || ["done", "not needed", "given up"].includes(run.status)) continue;
    Object.assign(run, { status: found.status === "done" ? "running" : found.status, progress: found.status === "done" ? 1 : found.progress, why: found.why, silent: found.silent_s, soFar: found.curve });
    if (found.status === "failed") run.log = found.log;
  }
}

/** The line on top: how many runs are where, and how long the rest takes. */
function told(news) {
  const box = document.getElementById("live");
  if (!box || !news) return;
  const { runs } = STUDIES[0], counts = d3.rollup(runs, (some) => some.length, (run) => run.status), silent = news.runs.filter((run) => run.silent_s);
  const over = !counts.get("running") && !counts.get("waiting");
  const parts = ["failed", "done", "running", "waiting", "given up", "not needed"].filter((status) => counts.get(status)).map((status) => `${counts.get(status)} ${status}`);
  const left = over ? "Every planned run has ended." : news.left_s ? `${leftWords(news.left_s)} left at the pace of finished runs.` : "How long it takes is not known before two runs are done.";
  box.className = "live";
  box.replaceChildren(h("strong", {}, over ? "Ended: " : "Now: "), `${parts.join(", ")} of ${many(runs.length, "planned run")}. ${left}`,
    silent.length ? ` ${many(silent.length, "run")} silent for ${seconds(d3.max(silent, (run) => run.silent_s))} or less: evaluating, or dead.` : "");
}

function leftWords([low, high]) {
  const [a, b] = [seconds(low), seconds(high)];
  return a === b ? `About ${a}` : `${a} to ${b}`;
}

function lostServer(error) {
  const box = document.getElementById("live");
  if (!box) return;
  box.className = "live warn";
  box.replaceChildren(h("strong", {}, "No news: "), error instanceof TypeError ? "the server that sent this page has ended; what it said last is shown." : String(error.message));
}
