// The request of the form, or of a job, as code in several languages (samples.js writes it).
//   show(element, request)  draw into the element; called again whenever the request changes.
//     request = { fields: {prompt: …, …}, files: {image: File, …} }: what POST /v1/jobs gets
import { announce } from "./announce.js";
import { h, icon } from "./dom.js";
import { SAMPLES } from "./samples.js";
import * as session from "./session.js";

const NOTES = {
  python: "The client comes with the package: pip install reelzero.",
  openai: "Needs pip install openai.",
  event: "The id makes it one video, however often it is sent. Location in the answer names it.",
};
const boxes = new WeakMap(); // element → its parts
let chosen = SAMPLES[0].id;
let boxesMade = 0;

export function show(element, { fields, files }) {
  if (!boxes.has(element)) boxes.set(element, draw(element));
  const box = boxes.get(element);
  box.request = { fields, files, server: new URL(".", location.href).href.replace(/\/$/, ""), hasKey: session.hasKey(), id: box.id };
  write(box);
}

function draw(element) {
  const number = ++boxesMade;
  const text = h("pre", { class: "sample", id: `sample-${number}`, tabIndex: 0, role: "tabpanel" });
  const note = h("p", { class: "soft" });
  const box = { text, note, id: crypto.getRandomValues(new Uint32Array(2)).join("-"), tabs: [] };
  box.tabs = SAMPLES.map(({ id, name }) => tab(box, id, name, text.id, number));
  const row = h("div", { class: "tabs", role: "tablist", "aria-label": "Language" }, box.tabs);
  row.addEventListener("keydown", (event) => move(event, box));
  element.classList.add("codes");
  element.append(h("div", { class: "codes-bar" }, row, copyButton(box)), text, note);
  return box;
}

function tab(box, id, name, panel, number) {
  const choose = () => { chosen = id; write(box); };
  return h("button", { type: "button", class: "tab", role: "tab", id: `tab-${number}-${id}`, "aria-controls": panel, dataset: { sample: id }, onclick: choose }, name);
}

function move(event, box) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const at = SAMPLES.findIndex(({ id }) => id === chosen);
  const next = (at + step + SAMPLES.length) % SAMPLES.length;
  chosen = SAMPLES[next].id;
  write(box);
  box.tabs[next].focus();
}

function write(box) {
  for (const each of box.tabs) {
    const isChosen = each.dataset.sample === chosen;
    each.setAttribute("aria-selected", String(isChosen));
    each.tabIndex = isChosen ? 0 : -1;
    if (isChosen) box.text.setAttribute("aria-labelledby", each.id);
  }
  const sample = SAMPLES.find(({ id }) => id === chosen);
  box.text.textContent = box.request.fields.prompt?.trim() ? sample.write(box.request) : "Write a prompt first.";
  box.text.dataset.sample = chosen;
  const parts = [NOTES[chosen], box.request.hasKey && "Your key is not in it: set REELZERO_API_KEY."].filter(Boolean);
  box.note.textContent = parts.join(" ");
  box.note.hidden = !parts.length;
}

function copyButton(box) {
  const button = h("button", { type: "button", class: "button small copy-code" }, icon("copy"), "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(box.text.textContent);
    announce("The code is copied");
    button.lastChild.textContent = "Copied";
    setTimeout(() => { button.lastChild.textContent = "Copy"; }, 1500);
  });
  return button;
}
