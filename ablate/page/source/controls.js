// The bar on top: which study, metric, task and estimand everything below shows.

function drawBar(view) {
  const { study } = view, bar = document.getElementById("bar");
  const tasks = view.tasks.map((task) => [task, task === AGGREGATE ? "all tasks together" : task]);
  bar.replaceChildren(h("div", { class: "inner" },
    h("a", { class: "brand", href: "#" + toHash({ study: study.id }).slice(1) }, "ablate"),
    STUDIES.length > 1 ? choice("study", "Study", STUDIES.map((one) => [one.id, one.label]), study.id, (id) => choose({ study: id })) : null,
    STUDIES.length > 1 ? besideMenu(view) : null,
    choice("metric", "Metric", study.names.map((one) => [one, `${one} (${study.better.get(one) ? "higher" : "lower"} is better)`]), view.metric, (metric) => choose({ metric, ...(tasksWith(study, metric).includes(view.task) ? {} : { task: null }) })),
    choice("task", "Task", tasks, view.task, (task) => choose({ task })),
    study.estimands.length ? choice("est", "Estimand", study.estimands.map((one) => [one, one.replaceAll("_", " ")]), view.estimand, (est) => choose({ est })) : null,
    h("div", { class: "right" }, view.pick ? h("button", { type: "button", class: "pill", onclick: () => choose({ pick: null }), "aria-label": `Stage ${view.pick} is chosen: choose none` }, name(view.pick), " \u00d7") : null,
      h("button", { type: "button", onclick: () => window.print() }, "Print"))));
}

function besideMenu(view) {
  const others = STUDIES.filter((one) => one !== view.study), shown = new Set(view.beside);
  const chosen = () => [...document.querySelectorAll("#choose-beside input:checked")].map((box) => encodeURIComponent(box.value)).join(",") || "none";
  return h("details", { id: "choose-beside", open: besideMenu.open || null, ontoggle: (event) => { besideMenu.open = event.target.open; } }, h("summary", {}, `Beside: ${shown.size} of ${others.length}`),
    h("div", { class: "menu" }, others.map((one) => h("label", {}, h("input", { type: "checkbox", value: one.id, checked: shown.has(one), "data-focus": `beside/${one.id}`, onchange: () => choose({ beside: chosen() }) }), " ", name(one.label)))));
}

/** What a study is, in one line. */
function summaryLine(study) {
  const tokens = d3.median(study.runs, (run) => run.tokens), parameters = d3.median(study.runs, (run) => run.parameters);
  return [many(study.arms.length, "arm") + ` \u00d7 ${many(study.head.seeds.length, "seed")}`, known(parameters) && `${count(parameters)} parameters`, known(tokens) && `${count(tokens)} tokens a run`, study.head.imported.length ? "from tables of results" : null, study.head.digest && `plan ${study.head.digest.slice(0, 8)}`].filter(Boolean).join(" \u00b7 ");
}

/** The head of the page: question, prediction, what came out. */
function drawHead(view, box) {
  const { study } = view, head = study.head, waiting = study.runs.filter((run) => !["done", "not needed", "failed", "given up"].includes(run.status)).length;
  put(box, h("h1", {}, name(head.title)), h("p", { class: "sub" }, summaryLine(study)),
    isLive() ? h("p", { id: "live", class: "live" }) : null,
    study.verdicts ? null : h("p", { class: "warn", role: "note" }, h("strong", {}, "The plan is not complete: "), `${many(waiting, "planned run")} of ${study.runs.length} ${waiting === 1 ? "is" : "are"} missing. Differences so far are shown as dots, without intervals, p-values or verdicts: looking after every seed finds effects that are not there.`),
    head.question && h("p", {}, h("b", {}, "Question. "), sentence(head.question)), head.prediction && h("p", {}, h("b", {}, "Prediction, written before the runs. "), sentence(head.prediction)),
    study.verdicts && study.words.in_short ? h("p", { class: "short" }, sentence(study.words.in_short)) : null,
    failures(study));
}

function failures(study) {
  const failed = study.runs.filter((run) => run.status === "failed");
  return failed.length ? h("p", { class: "warn", role: "note" }, h("strong", {}, `${many(failed.length, "run")} failed: `), failed.slice(0, 4).map((run, i) => [i ? "; " : "", name(run.arm), `, seed ${run.seed}`]), failed.length > 4 ? " and more" : "", ". Nothing stands in for them; the reasons are under ", h("a", { href: "#at=runs", onclick: (event) => { event.preventDefault(); goTo("runs"); } }, "Runs"), ".") : null;
}
