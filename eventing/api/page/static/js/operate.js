// The operator's view at #/operate. The shell uses this interface:
//   mount(element) → unmount   draw into the empty <section>; `unmount()` stops what runs, when the page leaves
// It reads GET v1/operate every few seconds while it is seen. Lists of what is broken are read when their number
// changes, or on request.
import { json } from "./api.js";
import { h, icon, fill } from "./dom.js";
import * as broken from "./operate_broken.js";
import * as cost from "./operate_cost.js";
import * as keys from "./operate_keys.js";
import * as work from "./operate_work.js";
import * as session from "./session.js";

const EVERY_MILLISECONDS = 4000;

export function mount(element) {
  const view = { problem: h("div", { role: "alert" }), at: h("p", { class: "soft", id: "operate-at" }), parts: h("div", { class: "operate-parts" }) };
  const head = h("header", { class: "operate-head" }, h("h1", {}, "Operate"), view.at);
  element.append(head, view.problem, view.parts);
  Object.assign(view, { work: work.create(() => look(view)), deliveries: broken.deliveries(), letters: broken.letters(), cost: cost.create(), keys: keys.create(), isEmpty: true });
  look(view);
  const timer = setInterval(() => { if (!document.hidden) look(view); }, EVERY_MILLISECONDS);
  return () => { clearInterval(timer); view.isOver = true; };
}

async function look(view) {
  try {
    const seen = await json("v1/operate");
    if (view.isOver) return;
    fill(view.problem);
    if (view.isEmpty) begin(view);
    view.at.textContent = `reelzero ${seen.version} · as of ${new Date(seen.at).toLocaleTimeString()}`;
    view.work.update(seen);
    view.cost.look();
    view.deliveries.expect(seen.deliveries_dead);
    view.letters.expect(null);
  } catch (problem) {
    if (!view.isOver) refuse(view, problem);
  }
}

function begin(view) {
  view.isEmpty = false;
  fill(view.parts, view.work.element, view.cost.element, view.deliveries.element, view.letters.element, view.keys.element);
  view.keys.load();
}

function refuse(view, problem) {
  const isRight = problem.status === 401 || problem.status === 403;
  if (isRight) { view.isEmpty = true; fill(view.parts); }
  const signIn = isRight && h("button", { class: "button small", type: "button", onclick: () => session.open("Use a key that may operate.") }, "Sign in with another key");
  fill(view.problem, h("div", { class: "notice bad" }, icon(isRight ? "key" : "cloud"), h("div", { class: "operate-refusal" }, h("p", {}, problem.message), signIn)));
}
