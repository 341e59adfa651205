// All videos of the caller: search, filters, a tile each, and further pages as the end comes into view.
//   mount(element)
import * as card from "./card.js";
import { h, icon, fill } from "./dom.js";
import { examples } from "./examples.js";
import * as jobs from "./jobs.js";
import * as models from "./models.js";
import { onRoute } from "./router.js";
import { shortTitle } from "./words.js";

const TYPING_MILLISECONDS = 250;
const FILTERS = [["", "All"], ["queued in_progress", "Under way"], ["completed", "Done"], ["failed cancelled", "Not made"]];
let tools, list, foot, empty, modelSelect;

export function mount(element) {
  list = h("ul", { id: "jobs", class: "tiles" });
  foot = h("div", { class: "gallery-foot" });
  empty = h("div", { class: "empty", hidden: true });
  tools = h("div", { class: "tools" }, search(), filters(), modelSelect = h("select", { id: "filter-model", "aria-label": "Model", onchange: (event) => jobs.filter({ model: event.target.value }) }));
  element.append(h("div", { class: "gallery-head" }, h("h2", {}, "Your videos"), tools), empty, list, foot);
  jobs.subscribe((id) => (id ? one(id) : all()));
  models.subscribe(() => { drawModels(); all(); });
  onRoute(() => { for (const item of list.children) card.update(item, jobs.get(item.dataset.id)); });
  new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && jobs.more(), { rootMargin: "400px" }).observe(foot);
}

function search() {
  const input = h("input", { type: "search", id: "search", placeholder: "Search prompts", "aria-label": "Search prompts" });
  let timer = 0;
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => jobs.filter({ search: input.value.trim() }), TYPING_MILLISECONDS); });
  return h("div", { class: "search" }, icon("search"), input);
}

function filters() {
  return h("div", { class: "filters", role: "radiogroup", "aria-label": "State" }, FILTERS.map(([value, text]) => {
    const input = h("input", { type: "radio", name: "filter", value, checked: value === "" });
    input.addEventListener("change", () => jobs.filter({ status: value }));
    return h("label", { class: "filter" }, input, text);
  }));
}

function drawModels() {
  const { data } = models.state;
  modelSelect.hidden = data.length < 2;
  const now = modelSelect.value;
  fill(modelSelect, h("option", { value: "" }, "All models"), data.map((model) => h("option", { value: model.id, selected: model.id === now }, shortTitle(model))));
}

function one(id) {
  const item = list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  if (item) card.update(item, jobs.get(id));
}

// Keep the tiles that are still in the list, so that neither the focus nor a loaded poster is lost.
function all() {
  const items = new Map([...list.children].map((item) => [item.dataset.id, item]));
  const shown = jobs.shown();
  const wanted = shown.map((job) => items.get(job.id) ?? card.create(job));
  for (const [id, item] of items) if (!shown.some((job) => job.id === id)) item.remove();
  wanted.forEach((item, at) => { if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null); });
  shown.forEach((job, at) => card.update(wanted[at], job));
  footer(shown);
  vacancy(shown);
}

function footer(shown) {
  const { loading, problem, more, away } = jobs.state;
  if (problem && !away) fill(foot, h("div", { class: "notice bad" }, icon("failed"), h("p", {}, problem.message), h("button", { class: "button small", type: "button", onclick: () => jobs.reload() }, "Try again")));
  else if (away) fill(foot, h("div", { class: "notice wait" }, icon("cloud"), h("p", {}, "The server does not answer. This list may be old; it goes on by itself when the server is back.")));
  else if (loading && !shown.length) fill(foot, h("ul", { class: "tiles", "aria-hidden": "true" }, [1, 2, 3].map(() => h("li", { class: "tile ghost" }))));
  else if (more) fill(foot, h("button", { class: "button", type: "button", onclick: () => jobs.more() }, "Show more"));
  else fill(foot);
}

function vacancy(shown) {
  const { loading, problem, away } = jobs.state;
  const isEmpty = !shown.length && !loading && !problem && !away;
  empty.hidden = !isEmpty;
  tools.hidden = isEmpty && !jobs.isFiltered();
  if (!isEmpty) return;
  if (jobs.isFiltered()) fill(empty, h("p", { class: "empty-title" }, "No video matches"), h("p", { class: "soft" }, "Change the search or the filter."));
  else fill(empty, examples());
}
