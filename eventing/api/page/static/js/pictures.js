// The first and the last picture of the video: chosen, dropped or pasted, shown where the model takes them.
//   create()
import { h, icon } from "./dom.js";
import * as draft from "./draft.js";
import * as models from "./models.js";

const FIELDS = { image: "First picture", last_image: "Last picture" };
const TYPES = ["image/png", "image/jpeg", "image/webp"];
const boxes = {};
let problem;

export function create() {
  problem = h("p", { class: "wrong", role: "alert", hidden: true });
  const row = h("div", { class: "pictures" }, Object.entries(FIELDS).map(([field, label]) => box(field, label)));
  models.subscribe(offer);
  draft.subscribe((name) => { if (name === null) offer(); if (name === null || name in FIELDS) show(); });
  const holdsFiles = (event) => !row.closest("[hidden]") && event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => { if (holdsFiles(event)) { event.preventDefault(); row.dataset.over = "true"; } });
  addEventListener("dragleave", () => delete row.dataset.over);
  addEventListener("drop", (event) => { if (holdsFiles(event)) { event.preventDefault(); delete row.dataset.over; take(event.dataTransfer.files, event.target); } });
  addEventListener("paste", (event) => { if (!row.closest("[hidden]") && event.clipboardData.files.length && take(event.clipboardData.files)) event.preventDefault(); });
  return h("div", { class: "field" }, row, problem);
}

function box(field, label) {
  const input = h("input", { type: "file", accept: TYPES.join(","), id: `${field}-file` });
  input.addEventListener("change", () => { if (input.files[0]) choose(field, input.files[0]); input.value = ""; });
  const image = h("img", { alt: `${label}, as chosen`, hidden: true });
  const remove = h("button", { class: "button small", type: "button", hidden: true, "aria-label": `Remove the ${label.toLowerCase()}`, onclick: () => draft.fields[field] ? draft.set(field) : draft.setFile(field, null) }, icon("close"));
  const words = h("span", {}, icon("picture"), h("strong", {}, label), h("small", {}, "Choose, drop or paste"));
  const element = h("div", { class: "picture", hidden: true, dataset: { field } }, h("label", { htmlFor: `${field}-file` }, input, image, words), remove);
  boxes[field] = { element, image, remove, words };
  return element;
}

function take(list, target) {
  const file = [...list].find((each) => each.type.startsWith("image/"));
  const open = Object.keys(FIELDS).filter((field) => !boxes[field].element.hidden);
  const aimed = open.find((field) => target instanceof Node && boxes[field].element.contains(target));
  const field = aimed ?? open.find((each) => !draft.files[each]) ?? open[0];
  if (!file) return false;
  if (!field) return say("This model takes no picture. Choose another model first.");
  choose(field, file);
  return true;
}

function choose(field, file) {
  if (!TYPES.includes(file.type)) return say("A picture must be a PNG, a JPEG or a WebP file.");
  say("");
  delete draft.fields[field];
  draft.setFile(field, file);
  return true;
}

function say(text) {
  problem.textContent = text;
  problem.hidden = !text;
  return false;
}

function offer() {
  const model = models.get(draft.fields.model) ?? models.byDefault();
  for (const [field, { element }] of Object.entries(boxes)) {
    element.hidden = !model || !(field in model.inputs);
    if (element.hidden && draft.files[field]) draft.setFile(field, null);
    element.querySelector("small").textContent = model?.inputs[field] === "required" ? "Needed: choose, drop or paste" : "Choose, drop or paste";
  }
}

function show() {
  for (const [field, { image, remove, words }] of Object.entries(boxes)) {
    const file = draft.files[field];
    if (image.src) URL.revokeObjectURL(image.src);
    if (file) image.src = URL.createObjectURL(file); else image.removeAttribute("src");
    image.hidden = !file;
    words.hidden = Boolean(file);
    remove.hidden = !file && !draft.fields[field];
    words.querySelector("small").textContent = draft.fields[field] ? "As in the earlier video" : words.querySelector("small").textContent;
  }
}
