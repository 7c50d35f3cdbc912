// How to make all of this again, and how to read it.

function againPanel(view, body) {
  const { study } = view, head = study.head;
  const versions = study.provenance[0]?.versions ?? {};
  put(body, h("div", { class: "pair" }, h("div", {}, facts([
    head.digest && ["plan", h("code", {}, head.digest)], head.design && ["design", name(head.design)],
    ["seeds", head.seeds.join(", ")], head.reference && ["reference arm", name(head.reference)], head.stages.length && ["stages in order", name(head.stages.join(", "))],
    head.imported.length && ["imported from", name(head.imported.join("; "))],
    ...study.provenance.map((row) => ["made with", `${many(row.runs, "run")}: Python ${row.python ?? "?"}, ${row.platform ?? "?"}${row.cores ? `, ${many(row.cores, "core")}` : ""}${row.commit ? `, commit ${String(row.commit).slice(0, 12)}${row.dirty ? " with changes" : ""}` : ""}`]),
    Object.keys(versions).length && ["versions", h("span", {}, Object.entries(versions).map(([what, version]) => `${what} ${version}`).join(", "))],
  ]), h("pre", { tabindex: "0", "aria-label": "Commands" }, `ablate sweep study=${study.name}\nablate report study=${study.name}\nablate dashboard ${STUDIES.map((one) => `studies/${one.name}`).join(" ")}`)),
  h("div", {}, grid(["task", "items", "examples", "digest"], [...new Map(study.metrics.map((row) => [row.task, row])).values()].map((row) => [name(row.task), known(row.n_items) ? row.n_items.toLocaleString("en") : DASH, row.examples ?? DASH, h("code", {}, String(row.digest ?? DASH).slice(0, 12))]), { caption: "Tasks" }))));
  const words = study.words, told = [words.claims, words.chance, words.history, words.scale].filter(Boolean);
  if (told.length || words.reading) put(body, h("h3", {}, "How to read this"), ...told.map((text) => h("p", {}, sentence(text))), h("ul", {}, (words.reading ?? "").split("\n").filter(Boolean).map((line) => h("li", {}, sentence(line.replace(/^- /, ""))))));
}
