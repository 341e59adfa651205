// The choices of every video: quality, size, length, number and seed, as the chosen model has them.
//   create()
import { h, icon, fill } from "./dom.js";
import * as draft from "./draft.js";
import * as jobs from "./jobs.js";
import * as models from "./models.js";
import { seconds, size } from "./words.js";

const TIERS = { turbo: "Turbo", low: "Draft", medium: "Standard", high: "Best" };
let box, quality;
let drawn = ""; // the model that is drawn

export function create() {
  box = h("div", { class: "choices" });
  models.subscribe(draw);
  draft.subscribe((name) => { if (name === null) draw(); else expect(); });
  jobs.subscribe((id) => id === null && expect());
  return box;
}

const chosen = () => models.get(draft.fields.model) ?? models.byDefault();

function draw() {
  const model = chosen();
  if (!model) return;
  drawn = model.id;
  quality = h("div", { class: "segments", role: "radiogroup", "aria-label": "Quality" });
  fill(box, group("quality", "Quality", quality), h("div", { class: "pair even" }, sizes(model), frames(model)), h("div", { class: "pair" }, videos(), seed()));
  fill(quality, Object.entries(model.quality).filter(([, tier]) => tier).map(([name, tier]) => tierChoice(name, tier)));
  expect();
}

function group(field, title, ...content) {
  return h("div", { class: "field", dataset: { field } }, h("span", { class: "label" }, title), content);
}

function tierChoice(name, tier) {
  const input = h("input", { type: "radio", name: "quality", value: name, checked: name === (draft.fields.quality ?? "medium") });
  input.addEventListener("change", () => draft.set("quality", name));
  return h("label", { class: "segment", title: `quality: ${name}` }, input, h("span", {}, TIERS[name] ?? name),
    h("small", {}, `${tier.steps} steps`), h("small", { class: "expected", dataset: { quality: name, steps: tier.steps } }));
}

// Put the expected seconds beside each tier, where earlier videos or the catalog tell them.
function expect() {
  const model = chosen();
  if (!model || drawn !== model.id) return;
  const frameCount = draft.fields.num_frames ?? model.frames.default;
  const width = draft.fields.width ?? model.sizes[0][0];
  const isUsual = frameCount === model.frames.default && width === model.sizes[0][0];
  for (const place of quality.querySelectorAll(".expected")) {
    const wish = { steps: Number(place.dataset.steps), frames: frameCount, width, quality: isUsual ? place.dataset.quality : "" };
    const expected = models.duration(model, wish);
    place.textContent = expected ? `≈ ${seconds(expected.seconds)}` : "";
    place.title = expected ? `By ${expected.from}` : "";
  }
}

function sizes(model) {
  const now = `${draft.fields.width ?? model.sizes[0][0]}x${draft.fields.height ?? model.sizes[0][1]}`;
  const known = model.sizes.map(([width, height]) => `${width}x${height}`);
  if (!known.includes(now)) known.push(now);
  const free = model.sides.max_pixels ? [h("option", { value: "free" }, "Another size …")] : [];
  const select = h("select", { id: "size" }, known.map((value) => h("option", { value, selected: value === now }, size(...value.split("x")) + shape(value))), free);
  const exact = h("div", { class: "pair", hidden: true }, ["width", "height"].map((side, at) => number(side, side === "width" ? "Width" : "Height", Number(now.split("x")[at]), model.sides.multiple)));
  select.addEventListener("change", () => {
    exact.hidden = select.value !== "free";
    if (select.value === "free") return;
    const [width, height] = select.value.split("x").map(Number);
    draft.set("width", width);
    draft.set("height", height);
  });
  if (known.length === 1 && !free.length) {
    return h("div", { class: "field", dataset: { field: "width" } }, h("span", { class: "label" }, "Size"), h("p", { class: "fixed", title: "The only size of this model" }, size(...model.sizes[0])));
  }
  const rule = model.sides.max_pixels ? `Sides in steps of ${model.sides.multiple}, ${(model.sides.max_pixels / 1e6).toFixed(2)} megapixels at most` : "";
  return h("div", { class: "field", dataset: { field: "width" } }, h("label", { class: "label", htmlFor: "size" }, "Size"), select, exact, rule && h("p", { class: "hint" }, rule));
}

function shape(value) {
  const [width, height] = value.split("x").map(Number);
  return width === height ? " · square" : width > height ? " · wide" : " · tall";
}

function number(field, label, value, step) {
  const input = h("input", { type: "number", value, step, min: step, id: `field-${field}`, inputMode: "numeric" });
  input.addEventListener("change", () => draft.set(field, input.valueAsNumber));
  return h("div", { class: "field", dataset: { field } }, h("label", { class: "hint", htmlFor: `field-${field}` }, label), input);
}

function frames(model) {
  const { min, max, multiple } = model.frames;
  const value = draft.fields.num_frames ?? model.frames.default;
  const tell = (number) => `${number} frames · ${(number / (draft.fields.fps ?? model.fps)).toFixed(1)} s`;
  if (min === max) {
    return h("div", { class: "field", dataset: { field: "num_frames" } }, h("span", { class: "label" }, "Length"), h("p", { class: "fixed", title: "The only length of this model" }, tell(min)));
  }
  const output = h("output", { class: "soft" }, tell(value));
  const input = h("input", { type: "range", id: "frames", min, max, step: multiple, value });
  input.setAttribute("aria-valuetext", tell(value));
  input.addEventListener("input", () => {
    output.textContent = tell(input.valueAsNumber);
    input.setAttribute("aria-valuetext", output.textContent);
    draft.set("num_frames", input.valueAsNumber);
  });
  return h("div", { class: "field", dataset: { field: "num_frames" } }, h("label", { class: "label", htmlFor: "frames" }, "Length", output), input);
}

function videos() {
  const input = h("input", { type: "number", id: "videos", min: 1, value: draft.fields.n ?? 1, inputMode: "numeric" });
  input.addEventListener("input", () => draft.set("n", input.valueAsNumber > 1 ? input.valueAsNumber : undefined));
  return h("div", { class: "field", dataset: { field: "n" } }, h("label", { class: "label", htmlFor: "videos" }, "Videos"), input);
}

function seed() {
  const bounds = models.state.fields.seed?.anyOf?.[0] ?? {};
  const input = h("input", { type: "number", id: "seed", min: 0, max: bounds.maximum, placeholder: "any", value: draft.fields.seed ?? "", inputMode: "numeric" });
  input.addEventListener("input", () => draft.set("seed", input.valueAsNumber));
  const dice = h("button", { class: "button", type: "button", "aria-label": "Draw a seed", title: "Draw a seed", onclick: () => { input.value = Math.floor(Math.random() * 2 ** 31); draft.set("seed", input.valueAsNumber); } }, icon("dice"));
  return h("div", { class: "field", dataset: { field: "seed" } }, h("label", { class: "label", htmlFor: "seed", title: "Same seed, same video" }, "Seed"), h("div", { class: "with-button" }, input, dice));
}
