// The fields of one scene: a video of a prompt, a picture or a title; its narration, length and transition.
//   create(scene, set(field, value)) → element     each field has data-field, where its error is shown
import { h } from "../dom.js";
import * as models from "../models.js";
import * as picture from "./picture.js";

const KINDS = [["video", "Video"], ["picture", "Picture"], ["title", "Title"]];

export function create(scene, set) {
  const body = h("div", { class: "scene-words" });
  const redraw = () => body.replaceChildren(...shown(scene, set));
  const kinds = h("div", { class: "filters scene-kinds", role: "radiogroup", "aria-label": "What the scene shows" }, KINDS.map(([kind, text]) => {
    const input = h("input", { type: "radio", name: `${scene.key}-kind`, value: kind, checked: scene.kind === kind });
    input.addEventListener("change", () => { set("kind", kind); redraw(); });
    return h("label", { class: "filter" }, input, text);
  }));
  redraw();
  const times = h("div", { class: "pair even" },
    number(scene, set, "seconds", { label: "Seconds", min: 0.1, max: 600, title: "Its length; without a number as long as the narration", placeholder: "as spoken" }),
    number(scene, set, "transition", { label: "Crossfade", title: "Seconds in which it turns into the next scene; 0 is a cut", min: 0, max: 10, placeholder: "0: a cut" }));
  return h("div", { class: "scene-fields" }, kinds, body, text(scene, set, "narration", { label: "Narration", rows: 2, placeholder: "What is said over it", limit: 5000 }), times);
}

function shown(scene, set) {
  if (scene.kind === "title") return [text(scene, set, "title", { label: "Title", rows: 1, placeholder: "What the title says", limit: 500 })];
  if (scene.kind === "picture") return [image(scene, set, "Picture")];
  const limit = models.state.fields.prompt?.maxLength ?? 2000;
  const prompt = text(scene, set, "prompt", { label: "What the scene shows", rows: 2, placeholder: "Say what happens, in one or two sentences", limit });
  const takes = Object.hasOwn(scene, "image");
  const more = h("details", { class: "scene-more", open: takes }, h("summary", {}, "Begin with a picture"), image(scene, set, "First picture"));
  return [prompt, more];
}

function text(scene, set, field, { label, rows, placeholder, limit }) {
  const id = `${scene.key}-${field}`;
  const area = h("textarea", { id, rows, placeholder, maxLength: limit, value: scene[field] ?? "" });
  area.addEventListener("input", () => set(field, area.value.trim() ? area.value : ""));
  return h("div", { class: "field", dataset: { field } }, h("label", { class: "label", htmlFor: id }, label), area);
}

function number(scene, set, field, { label, title, min, max, placeholder }) {
  const id = `${scene.key}-${field}`;
  const input = h("input", { type: "number", id, min, max, step: "any", placeholder, inputMode: "decimal", value: scene[field] ?? "" });
  input.addEventListener("input", () => set(field, input.valueAsNumber));
  return h("div", { class: "field", dataset: { field } }, h("label", { class: "label", htmlFor: id, title }, label), input);
}

function image(scene, set, label) {
  const element = picture.create({ id: `${scene.key}-image`, label, value: scene.image, onChange: (address) => set("image", address) });
  return h("div", { class: "field", dataset: { field: "image" } }, element);
}
