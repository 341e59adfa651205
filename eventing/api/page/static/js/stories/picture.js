// The picture of a scene: chosen, dropped or pasted from this device, or named by its address.
//   create({ id, label, value, onChange(address) }) → element
// A file goes into the story as a data: address. A large photograph is made smaller first, as no film needs more.
import { h, icon } from "../dom.js";

const TYPES = ["image/png", "image/jpeg", "image/webp"];
const LONGEST_SIDE = 2048; // pixels
const LARGEST = 1 << 20; // bytes

export function create({ id, label, value, onChange }) {
  const parts = draw(id, label);
  let address = value ?? "";
  const show = () => {
    const isFile = address.startsWith("data:");
    parts.image.hidden = !isFile;
    if (isFile) parts.image.src = address; else parts.image.removeAttribute("src");
    parts.words.hidden = isFile;
    parts.remove.hidden = !isFile;
    parts.address.value = isFile ? "" : address;
    parts.address.placeholder = isFile ? "A file of yours" : "https://…";
  };
  const set = (text) => { address = text; say(parts, ""); show(); onChange(text); };
  const take = async (files) => {
    const file = [...files].find((each) => each.type.startsWith("image/"));
    if (!file) return;
    try { set(await toAddress(file)); } catch (problem) { say(parts, problem.message); }
  };
  parts.file.addEventListener("change", () => { take(parts.file.files); parts.file.value = ""; });
  parts.remove.addEventListener("click", () => { set(""); parts.file.focus(); });
  parts.address.addEventListener("input", () => { address = parts.address.value.trim(); onChange(address); });
  dropping(parts.drop, take);
  show();
  return parts.element;
}

function draw(id, label) {
  const file = h("input", { type: "file", accept: TYPES.join(","), id: `${id}-file` });
  const image = h("img", { alt: `${label}, as chosen`, hidden: true });
  const words = h("span", {}, icon("picture"), h("strong", {}, label), h("small", {}, "Choose, drop or paste"));
  const remove = h("button", { class: "button small", type: "button", hidden: true, "aria-label": `Remove: ${label}` }, icon("close"));
  const drop = h("div", { class: "picture" }, h("label", { htmlFor: file.id }, file, image, words), remove);
  const address = h("input", { type: "url", id: `${id}-address`, spellcheck: false, "aria-label": `${label}: address` });
  const problem = h("p", { class: "wrong", role: "alert", hidden: true });
  return { file, image, words, remove, drop, address, problem, element: h("div", { class: "scene-picture" }, drop, address, problem) };
}

function dropping(element, take) {
  element.addEventListener("dragover", (event) => { if (event.dataTransfer?.types.includes("Files")) { event.preventDefault(); element.dataset.over = "true"; } });
  element.addEventListener("dragleave", () => delete element.dataset.over);
  element.addEventListener("drop", (event) => { event.preventDefault(); delete element.dataset.over; take(event.dataTransfer.files); });
  element.addEventListener("paste", (event) => { if (event.clipboardData.files.length) { event.preventDefault(); take(event.clipboardData.files); } });
}

function say(parts, text) {
  parts.problem.textContent = text;
  parts.problem.hidden = !text;
}

async function toAddress(file) {
  if (!TYPES.includes(file.type)) throw new Error("A picture must be a PNG, a JPEG or a WebP file.");
  const picture = await createImageBitmap(file).catch(() => { throw new Error("This file is no picture that can be read."); });
  const factor = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  if (factor === 1 && file.size <= LARGEST) return read(file);
  const canvas = new OffscreenCanvas(Math.round(picture.width * factor), Math.round(picture.height * factor));
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return read(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 }));
}

function read(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(new Error("This file cannot be read.")));
    reader.readAsDataURL(blob);
  });
}
