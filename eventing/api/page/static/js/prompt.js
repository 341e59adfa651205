// The prompt: a text field that grows, examples, and words that the model does not know, marked while typing.
//   create()   mark(words)   underline these words   warn(warnings)   say what has no effect
import { h } from "./dom.js";
import * as draft from "./draft.js";
import * as models from "./models.js";

const WORD = /\p{L}+(?:['-]\p{L}+)*/gu;
let text, backdrop, warnings, counter, hint;
let limit = 2000;

export function create() {
  text = h("textarea", { id: "prompt", rows: 3, placeholder: "Say what happens, in one or two sentences", autocapitalize: "sentences" });
  text.setAttribute("aria-describedby", "prompt-hint");
  backdrop = h("div", { class: "prompt-marks", "aria-hidden": "true" });
  counter = h("span", { class: "soft" });
  hint = h("p", { class: "hint", id: "prompt-hint" });
  warnings = h("ul", { class: "prompt-warnings", id: "prompt-warnings" });
  text.addEventListener("input", () => { draft.set("prompt", text.value); measure(); });
  text.addEventListener("scroll", () => { backdrop.scrollTop = text.scrollTop; });
  draft.subscribe((name) => { if (!name && text.value !== (draft.fields.prompt ?? "")) write(); });
  models.subscribe(describe);
  draft.subscribe((name) => name === null && describe());
  write();
  return h("div", { class: "field", dataset: { field: "prompt" } },
    h("label", { class: "label", htmlFor: "prompt" }, "What should the video show?", counter),
    h("div", { class: "prompt-box" }, backdrop, text), hint, warnings);
}

function write() {
  text.value = draft.fields.prompt ?? "";
  measure();
}

function measure() {
  mark([]);
  counter.textContent = text.value.length > limit * 0.8 ? `${text.value.length} of ${limit}` : "";
}

function describe() {
  const model = models.get(draft.fields.model) ?? models.byDefault();
  limit = models.state.fields.prompt?.maxLength ?? limit;
  text.maxLength = limit;
  hint.textContent = model?.draws ?? "";
  hint.hidden = !model?.draws;
}

export function mark(words) {
  const unknown = new Set(words.map((word) => word.toLowerCase()));
  const parts = [];
  let end = 0;
  for (const match of unknown.size ? text.value.matchAll(WORD) : []) {
    if (!unknown.has(match[0].toLowerCase())) continue;
    parts.push(text.value.slice(end, match.index), h("mark", {}, match[0]));
    end = match.index + match[0].length;
  }
  backdrop.replaceChildren(...parts, text.value.slice(end), "\n");
  backdrop.scrollTop = text.scrollTop;
}

export function warn(list) {
  warnings.replaceChildren(...list.map((line) => h("li", {}, line)));
}
