// The empty state: what the model can draw, and prompts to begin with.
//   examples() → elements
import { $, h, icon } from "./dom.js";
import * as draft from "./draft.js";
import * as models from "./models.js";

const GENERAL = ["A paper boat drifts down a rainy street, seen from above", "A fox walks through fresh snow at sunrise, slow tracking shot", "Steam rises from a cup of tea beside a window, soft morning light"];

export function examples() {
  const model = models.get(draft.fields.model) ?? models.byDefault();
  const prompts = model?.examples?.length ? model.examples : GENERAL;
  return [
    h("p", { class: "empty-title" }, "Your first video starts with a sentence"),
    h("p", { class: "soft" }, model?.draws ?? "Say what is seen, how it moves, and how it looks. One or two sentences are enough."),
    h("ul", { class: "examples" }, prompts.map((text) => h("li", {}, h("button", { class: "example", type: "button", onclick: () => take(text) }, icon("play"), text)))),
  ];
}

function take(text) {
  draft.set("prompt", text);
  $("prompt").value = text;
  $("prompt").dispatchEvent(new Event("input"));
  $("prompt").focus();
}
