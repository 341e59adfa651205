// The choice of the model: one card each, with what it makes, what it needs, and whether it runs here.
//   create()
import { h, icon, fill } from "./dom.js";
import * as draft from "./draft.js";
import * as models from "./models.js";
import { shortTitle, size } from "./words.js";

let box, summary, list;

export function create() {
  summary = h("summary", { id: "model" });
  list = h("div", { class: "cards", role: "radiogroup", "aria-label": "Model" });
  box = h("details", { class: "models" }, summary, list);
  models.subscribe(draw);
  draft.subscribe((name) => { if (name === null || name === "model") draw(); });
  return h("div", { class: "field", dataset: { field: "model" } }, h("span", { class: "label" }, "Model"), box);
}

function draw() {
  const chosen = models.get(draft.fields.model) ?? models.byDefault();
  if (!chosen) return fill(summary, h("span", { class: "soft" }, models.state.problem ? "No model can be shown now" : "Loading the models …"));
  fill(summary, face(chosen), icon("chevron"));
  const focused = document.activeElement?.value;
  const holdsFocus = list.contains(document.activeElement);
  fill(list, ordered().map((model) => card(model, model.id === chosen.id)));
  if (holdsFocus) list.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
}

// Those that run here first; the operator's order within.
function ordered() {
  const { data } = models.state;
  return [...data.filter((model) => !models.obstacle(model)), ...data.filter((model) => models.obstacle(model))];
}

function card(model, isChosen) {
  const input = h("input", { type: "radio", name: "model", value: model.id, checked: isChosen });
  input.addEventListener("change", () => draft.changeModel(model.id));
  input.addEventListener("click", (event) => { if (event.detail) box.open = false; }); // by a pointer: done
  return h("label", { class: "segment card", dataset: { runs: String(!models.obstacle(model)) } }, input, face(model));
}

function face(model) {
  const obstacle = models.obstacle(model);
  const takes = model.inputs.image ? (model.inputs.image === "required" ? "from a picture" : "words or a picture") : "from words";
  const makes = [size(...model.sizes[0]), `${(model.frames.default / model.fps).toFixed(1)} s`, takes, model.sound && "sound"].filter(Boolean);
  return h("span", { class: "face" },
    h("span", { class: "face-title" }, h("strong", {}, shortTitle(model)), model.default && h("span", { class: "badge" }, "default")),
    h("small", {}, makes.join(" · ")),
    h("small", {}, `${models.needs(model)} · ${model.licence}`),
    obstacle
      ? h("small", { class: "face-state cannot" }, icon("failed"), h("span", {}, `Cannot run now: ${obstacle}`))
      : h("small", { class: "face-state" }, icon("done"), "Runs here"));
}
