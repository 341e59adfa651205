// The form of a new video: its parts, its check while typing, its errors beside the fields, and sending it.
//   mount(element)   send(fields, files)   send a request, show the new job; throws Problem
import { json, post } from "./api.js";
import { announce } from "./announce.js";
import * as choices from "./choices.js";
import * as codes from "./codes.js";
import { h, icon } from "./dom.js";
import * as draft from "./draft.js";
import * as estimate from "./estimate.js";
import * as jobs from "./jobs.js";
import * as modelCards from "./model_cards.js";
import * as models from "./models.js";
import * as more from "./more.js";
import * as pictures from "./pictures.js";
import * as prompt from "./prompt.js";
import { go, jobAddress } from "./router.js";

const CHECK_MILLISECONDS = 350; // of silence, before the request is checked
const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
let form, button, problemBox, code;
let timer = 0;
let checking = null; // AbortController of the check under way

export function mount(element) {
  form = element;
  button = h("button", { class: "primary", id: "go", type: "submit" }, icon("play"), "Make it");
  problemBox = h("div", { id: "problem", role: "alert", hidden: true });
  code = h("details", { class: "code" }, h("summary", {}, icon("chevron"), "This request as code"), h("div", {}));
  code.addEventListener("toggle", showCode);
  const hint = h("span", { class: "soft keys" }, h("kbd", {}, MAC ? "⌘" : "Ctrl"), " ", h("kbd", {}, "Enter"));
  form.append(
    h("h1", { class: "form-title" }, "New video"),
    prompt.create(), pictures.create(), modelCards.create(), choices.create(), more.create(),
    h("div", { class: "send" }, problemBox, h("div", { class: "send-row" }, button, hint), estimate.create()), code,
  );
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !form.closest("[hidden]")) { event.preventDefault(); submit(); }
  });
  draft.subscribe(changed);
  models.subscribe(() => { showProblem(models.state.problem); changed(null); });
}

function changed(name) {
  if (name) clear(name); else clearAll();
  showCode();
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_MILLISECONDS);
}

function showCode() {
  if (code.open) codes.show(code.lastElementChild, { fields: draft.fields, files: draft.files });
}

// Ask the server what it would say of the request as it is now: wrong fields, and words without an effect.
async function check() {
  checking?.abort();
  checking = new AbortController();
  prompt.mark([]);
  estimate.clear();
  if (!draft.fields.prompt?.trim()) return prompt.warn([]);
  const stand = Object.fromEntries(Object.keys(draft.files).map((name) => [name, "data:,"])); // not sent, only said
  const fields = { ...draft.fields, ...stand };
  const options = { method: "POST", signal: checking.signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) };
  try {
    const answer = await json("v1/check", options);
    prompt.mark(answer.unknown_words);
    prompt.warn(answer.warnings);
    if (answer.problem) showProblem({ ...answer.problem, message: answer.problem.detail });
    else await estimate.show(fields, options.signal);
  } catch { /* sending the request tells what is wrong */ }
}

async function submit() {
  if (button.disabled) return;
  showProblem(null);
  button.disabled = true;
  try {
    if (!models.state.data.length) await models.load();
    await send(draft.fields, draft.files);
  } catch (problem) {
    showProblem(problem);
  } finally {
    button.disabled = false;
  }
}

export async function send(fields, pictureFiles = {}) {
  const answer = await post("v1/jobs", draft.body(fields, pictureFiles));
  const isGroup = answer.object === "group";
  announce(isGroup ? `${answer.jobs.length} videos are in the queue` : "The video is in the queue");
  if (isGroup) await jobs.reload(); else jobs.merge(answer);
  go(jobAddress(isGroup ? answer.jobs[0].id : answer.id));
  return answer;
}

// Show a problem beside its field, else above the button. The words are the server's.
function showProblem(problem) {
  clearAll();
  if (!problem) return;
  const name = problem.field?.split(".")[0];
  const field = name && form.querySelector(`[data-field="${CSS.escape(name)}"]`);
  if (!field) {
    problemBox.replaceChildren(h("div", { class: "notice bad" }, icon("failed"), h("p", {}, problem.message)));
    problemBox.hidden = false;
    return;
  }
  field.closest("details")?.setAttribute("open", "");
  field.querySelector("input, select, textarea")?.setAttribute("aria-invalid", "true");
  field.append(h("p", { class: "wrong", role: "alert" }, problem.message));
}

function clear(name) {
  const field = form.querySelector(`[data-field="${CSS.escape(name)}"]`);
  field?.querySelector(".wrong")?.remove();
  field?.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
  problemBox.hidden = true;
}

function clearAll() {
  problemBox.hidden = true;
  for (const text of form.querySelectorAll(".wrong")) text.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}
