// The script that runs first: it unpacks the others, which run because the page's policy names them by digest.

/** The text of a block that gzip and base64 made. */
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

(async () => {
  if (!("DecompressionStream" in window)) {
    document.getElementById("main").textContent = "This browser cannot unpack the page (it knows no DecompressionStream): Chrome or Edge 80, Firefox 113, Safari 16.4 or a later one can. The same numbers stand in REPORT.md and effects.csv beside it.";
    return;
  }
  const texts = await Promise.all([...document.querySelectorAll("script.code")].map((block) => unpack(block.textContent)));
  for (const text of texts) document.body.append(Object.assign(document.createElement("script"), { textContent: text }));
})();
