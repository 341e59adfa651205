// All other fields of a request, made from the contract's schema; each has the description that the API documents.
//   create()
import { h, icon, fill } from "./dom.js";
import * as draft from "./draft.js";
import * as models from "./models.js";

const PLACED = new Set(["prompt", "model", "quality", "width", "height", "num_frames", "n", "seed", "image", "last_image"]);
const TITLES = {
  negative_prompt: "Not in the video", num_inference_steps: "Steps", guidance_scale: "Guidance", guidance_scale_2: "Guidance, second transformer",
  fps: "Frames per second", image_fit: "Fit of the picture", generate_audio: "Sound", callback_url: "Webhook", start_within_seconds: "Start within, seconds",
  reuse: "Reuse an equal result", loras: "Adapters",
};
const CHOICES = { image_fit: ["crop", "pad", "stretch"] };
let body, count;

export function create() {
  body = h("div", { class: "more" });
  count = h("span", { class: "badge", hidden: true });
  models.subscribe(draw);
  draft.subscribe((name) => { if (name === null) draw(); tally(); });
  return h("details", { id: "more" }, h("summary", {}, icon("chevron"), "More settings", count), body);
}

function draw() {
  const model = models.get(draft.fields.model) ?? models.byDefault();
  if (!model) return;
  const fields = Object.entries(models.state.fields).filter(([name]) => !PLACED.has(name) && applies(name, model));
  fill(body, fields.map(([name, schema]) => field(name, kind(schema), schema.description ?? "", model)));
  tally();
}

// Leave out what the model does not have.
function applies(name, model) {
  if (name === "negative_prompt") return "negative_prompt" in model.inputs;
  if (name === "generate_audio") return Boolean(model.sound);
  if (name === "guidance_scale") return model.max_guidance > 1;
  if (name === "guidance_scale_2") return Object.values(model.quality).some((tier) => tier?.guidance_2 != null);
  if (name === "loras") return model.loras.length > 0;
  if (name === "image_fit") return "image" in model.inputs;
  if (name === "strength") return model.tasks.strength === true;
  if (name === "lane") return model.lanes.length > 1;
  return true;
}

const kind = (schema) => schema.anyOf?.find((each) => each.type !== "null") ?? schema;

function tally() {
  const set = Object.keys(draft.fields).filter((name) => !PLACED.has(name)).length;
  count.textContent = String(set);
  count.hidden = !set;
}

function field(name, schema, description, model) {
  const id = `field-${name}`;
  const title = TITLES[name] ?? name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
  const control = make(name, schema, id, model);
  if (schema.type === "boolean") {
    return h("div", { class: "field", dataset: { field: name } }, h("label", { class: "check" }, control, title), h("p", { class: "hint" }, description));
  }
  const label = h(name === "loras" ? "span" : "label", { class: "label", ...(name === "loras" ? {} : { htmlFor: id }) }, title);
  return h("div", { class: "field", dataset: { field: name } }, label, control, h("p", { class: "hint" }, description));
}

function make(name, schema, id, model) {
  const value = draft.fields[name];
  if (name === "loras") return adapters(model);
  if (name === "metadata") return metadata(id);
  if (name === "lane") return choice(name, id, model.lanes);
  if (name in CHOICES || schema.$ref) return choice(name, id, CHOICES[name] ?? []);
  if (schema.type === "boolean") return toggle(name, value ?? (name === "generate_audio"));
  if (schema.type === "integer" || schema.type === "number") return number(name, schema, id, model);
  return words(name, schema, id, model);
}

function words(name, schema, id, model) {
  const isLong = schema.maxLength > 500;
  const input = h(isLong ? "textarea" : "input", { id, value: draft.fields[name] ?? "", placeholder: (name === "negative_prompt" && model.negative_prompt) || "", ...(isLong ? { rows: 2, maxLength: schema.maxLength } : {}) });
  input.addEventListener("input", () => draft.set(name, input.value));
  return input;
}

function number(name, schema, id, model) {
  const most = name.startsWith("guidance") ? model.max_guidance : schema.maximum;
  const input = h("input", { type: "number", id, min: schema.minimum ?? 0, max: most, step: schema.type === "integer" ? 1 : "any", value: draft.fields[name] ?? "", placeholder: usual(name, model) });
  input.addEventListener("input", () => draft.set(name, input.valueAsNumber));
  return input;
}

// What holds where nothing is set.
function usual(name, model) {
  const tier = model.quality[draft.fields.quality ?? "medium"];
  const values = { fps: model.fps, num_inference_steps: tier?.steps, guidance_scale: tier?.guidance, guidance_scale_2: tier?.guidance_2, priority: 0 };
  return values[name] === undefined || values[name] === null ? "" : String(values[name]);
}

function toggle(name, isOn) {
  const input = h("input", { type: "checkbox", checked: isOn });
  const rests = name === "generate_audio"; // the value that holds where nothing is set
  input.addEventListener("change", () => draft.set(name, input.checked === rests ? undefined : input.checked));
  return input;
}

function choice(name, id, values) {
  const select = h("select", { id }, h("option", { value: "" }, "As usual"), values.map((value) => h("option", { value, selected: draft.fields[name] === value }, value)));
  select.addEventListener("change", () => draft.set(name, select.value));
  return select;
}

function metadata(id) {
  const lines = Object.entries(draft.fields.metadata ?? {}).map(([key, value]) => `${key}=${value}`);
  const input = h("textarea", { id, rows: 2, value: lines.join("\n"), placeholder: "project=spring" });
  input.addEventListener("input", () => {
    const pairs = input.value.split("\n").filter((line) => line.trim()).map((line) => line.split(/=(.*)/s));
    draft.set("metadata", pairs.length ? Object.fromEntries(pairs.map(([key, value]) => [key.trim(), (value ?? "").trim()])) : undefined);
  });
  return input;
}

function adapters(model) {
  const chosen = new Map((draft.fields.loras ?? []).map((lora) => [lora.name, lora.scale]));
  const change = () => draft.set("loras", chosen.size ? [...chosen].map(([name, scale]) => ({ name, scale })) : undefined);
  return h("div", { class: "adapters" }, model.loras.map((lora) => adapter(lora, chosen, change)));
}

// One adapter as a card: what it is, its licence, and once it is on, how strongly it is used.
function adapter(lora, chosen, change) {
  const { min, max, default: usual } = lora.scale;
  const id = `adapter-${lora.name}`;
  const box = h("input", { type: "checkbox", id, checked: chosen.has(lora.name) });
  const scale = h("input", { type: "range", min, max, step: (max - min) / 20 || 1, value: chosen.get(lora.name) ?? usual, "aria-label": `Scale of ${lora.title}` });
  const output = h("output", { class: "soft" }, scale.value);
  const strength = h("div", { class: "adapter-scale", hidden: !box.checked }, h("span", { class: "hint" }, "Scale"), scale, output);
  const update = () => {
    strength.hidden = !box.checked;
    output.textContent = scale.value;
    if (box.checked) chosen.set(lora.name, scale.valueAsNumber); else chosen.delete(lora.name);
    change();
  };
  box.addEventListener("change", update);
  scale.addEventListener("input", update);
  const face = h("span", { class: "face" }, h("span", { class: "face-title" }, h("strong", {}, lora.title)),
    h("small", {}, `${lora.name} · ${lora.licence}`), lora.licence_notes && h("small", {}, lora.licence_notes));
  return h("div", { class: "adapter" }, h("label", { class: "check", htmlFor: id }, box, face), strength);
}
