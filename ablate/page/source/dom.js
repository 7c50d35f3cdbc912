// Elements. Text of a study goes in as text only: there is no way here to pass markup.

/** An element: attributes by name, listeners as on..., children as nodes or text. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  return put(element, ...children);
}

/** Add what is there: nothing stands in for a child that is null or false. */
function put(element, ...children) {
  element.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

/** Bold, code and links of a report's sentences; everything else is text as it is. */
function sentence(text) {
  return String(text).split(/(\*\*[^*]+\*\*|`[^`]+`|\*[^*\s][^*]*\*)/).filter(Boolean).map((part) =>
    part.startsWith("**") && part.length > 4 ? h("strong", {}, part.slice(2, -2))
    : part.startsWith("`") && part.length > 2 ? h("code", {}, part.slice(1, -1))
    : part.startsWith("*") && part.length > 2 ? h("em", {}, part.slice(1, -1)) : part);
}

/** A foreign name, kept in its own direction so that it turns nothing around it; a line may end after an underscore. */
function name(text) { return h("bdi", {}, String(text).split(/(?<=_)/).map((part, i) => (i ? [h("wbr"), part] : part))); }

/** Say something to a reader, and to a screen reader. */
function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { said.textContent = ""; }, 6000);
}

/** A selection of one value. */
function choice(id, label, options, value, chosen) {
  return h("label", { class: "choice", for: `choose-${id}` }, h("span", {}, label),
    h("select", { id: `choose-${id}`, onchange: (event) => chosen(event.target.value) },
      options.map(([key, text]) => h("option", { value: key, selected: key === value }, text))));
}

/** Two or three values as buttons in a row. */
function segments(label, options, value, chosen) {
  return h("div", { class: "segments", role: "group", "aria-label": label },
    options.map(([key, text]) => h("button", {
      type: "button", "aria-pressed": String(key === value), onclick: () => chosen(key), "data-focus": `${label}/${key}`,
    }, text)));
}

/** Terms and what they are. */
function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

/** A table of text cells; numbers stand to the right. */
function grid(head, rows, { caption = "", left = 1 } = {}) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption || "table" }, h("table", {},
    caption && h("caption", {}, caption),
    h("thead", {}, h("tr", {}, head.map((cell, i) => h("th", { scope: "col", class: i < left ? null : "num" }, cell)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) =>
      i === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: i < left ? null : "num" }, cell)))))));
}
