// Who is signed in. The shell uses this interface:
//   headers()          the headers that each API call carries        hasKey()   whether there is a key
//   caller()           { owner, may_operate, … } of GET /v1/caller; null before its first answer or without one
//   mount(element)     draw "sign in" or "sign out" into the page's header; called once
//   refused(problem)   the server answered 401 to a call: offer to sign in
//   open(words)        ask for a key
//   onChange(listener) call the listener after signing in or out; the shell then loads models and jobs again
// The key lasts as long as the tab. It stays on the device only if the box is ticked.
import { h, icon } from "./dom.js";

const NAME = "reelzero-key";
const listeners = [];
let key = read();
let known = null;
let element, dialog, field, keep, problem;
let isDismissed = false; // the dialog comes up by itself once, then only on request

export const headers = () => (key ? { Authorization: `Bearer ${key}` } : {});
export const hasKey = () => Boolean(key);
export const caller = () => known;
export const onChange = (listener) => listeners.push(listener);

export function mount(box) {
  element = box;
  dialog = draw();
  document.body.append(dialog);
  show();
  look().then(accept, () => {});
}

export function refused() {
  if (key) forget();
  known = null;
  show();
  if (!isDismissed && !dialog.open) open("This server needs an API key.");
}

export function open(words = "") {
  say(words);
  field.value = "";
  if (!dialog.open) dialog.showModal();
}

function draw() {
  field = h("input", { id: "key", type: "password", autocomplete: "off", required: true, placeholder: "rz_…", spellcheck: false });
  keep = h("input", { id: "keep", type: "checkbox" });
  problem = h("p", { class: "wrong", role: "alert" });
  const form = h("form", { method: "dialog", id: "sign-in-form" },
    h("h2", { id: "sign-in-title" }, "Sign in"),
    h("div", { class: "field" }, h("label", { class: "label", htmlFor: "key" }, "API key"), field, h("p", { class: "hint" }, "reelzero keys create NAME makes one."), problem),
    h("label", { class: "check" }, keep, "Keep it on this device"),
    h("div", { class: "actions" }, h("button", { class: "primary", type: "submit" }, "Sign in"), h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Not now")));
  form.addEventListener("submit", (event) => { event.preventDefault(); signIn(field.value.trim(), keep.checked); });
  const box = h("dialog", { id: "sign-in", "aria-labelledby": "sign-in-title" }, form);
  box.addEventListener("close", () => { isDismissed = true; });
  return box;
}

async function signIn(value, isKept) {
  try {
    const answer = await look(value);
    key = value;
    store(value, isKept);
    accept(answer);
    dialog.close();
    for (const listener of listeners) listener();
  } catch (cause) {
    say(cause.message);
    field.select();
  }
}

function signOut() {
  forget();
  known = null;
  isDismissed = true;
  look().then(accept, show);
  for (const listener of listeners) listener();
}

// Ask the server who has this key. Not by api.js, whose calls use this module.
async function look(value = key) {
  const answer = await fetch("v1/caller", { headers: value ? { Authorization: `Bearer ${value}` } : {} }).catch(() => {
    throw new Error("The server does not answer. Is it running?");
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.detail ?? `${answer.status} ${answer.statusText}`);
  return body;
}

function accept(answer) {
  known = answer;
  show();
}

function show() {
  const operates = document.getElementById("nav-operate");
  operates.hidden = Boolean(known && !known.may_operate);
  if (!key) return element.replaceChildren(...(known ? [] : [button("Sign in", () => open(), "button")]));
  const owner = known && h("span", { class: "soft owner" }, known.owner);
  return element.replaceChildren(...[owner, button("Sign out", signOut, "quiet")].filter(Boolean));
}

const button = (text, run, kind) => h("button", { class: `${kind} small`, type: "button", id: text.toLowerCase().replace(" ", "-").replace("sign-in", "open-sign-in"), onclick: run }, text);

function say(words) {
  problem.replaceChildren(...(words ? [icon("failed"), " ", words] : []));
}

function read() {
  try { return sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? ""; } catch { return ""; }
}

function store(value, isKept) {
  try { (isKept ? localStorage : sessionStorage).setItem(NAME, value); } catch { /* then it lasts until a reload */ }
}

function forget() {
  key = "";
  try { sessionStorage.removeItem(NAME); localStorage.removeItem(NAME); } catch { /* nothing was kept */ }
}
