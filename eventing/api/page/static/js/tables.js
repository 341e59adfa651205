// Tables that scroll sideways where they are too wide, and panels around them. A redrawn table keeps the focus.
//   table(name, heads, rows) → element    a head is text, or { text, number: true }
//   panel(title, ...content) → element    redraw(element, ...content)
import { h, fill } from "./dom.js";

export function table(name, heads, rows) {
  const columns = heads.map((head) => (typeof head === "string" ? { text: head } : head));
  const cell = (content, at) => h(at === 0 ? "th" : "td", { class: columns[at].number ? "number" : undefined, scope: at === 0 ? "row" : undefined }, content);
  return h("div", { class: "table", role: "region", "aria-label": name, tabIndex: 0 }, h("table", {},
    h("thead", {}, h("tr", {}, columns.map((head) => h("th", { scope: "col", class: head.number ? "number" : undefined }, head.text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
}

export function panel(title, ...content) {
  return h("section", { class: "panel operate-panel" }, h("h2", {}, title), ...content);
}

export function redraw(element, ...content) {
  const focus = element.contains(document.activeElement) && document.activeElement.id;
  fill(element, ...content);
  if (focus) document.getElementById(focus)?.focus();
}
