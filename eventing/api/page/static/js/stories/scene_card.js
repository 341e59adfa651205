// One scene as a card: its face, its fields, its state, and the buttons that move, copy and remove it.
//   create(scene, { set, move, duplicate, remove, play }) → { element, update(look): { scene, story, at, origin, count, isChanged, isFixed } }
import { h, icon } from "../dom.js";
import * as order from "./order.js";
import * as face from "./scene_face.js";
import * as fields from "./scene_fields.js";
import * as steps from "./steps.js";

export function create(scene, actions) {
  const title = h("h3", { id: `${scene.key}-title`, tabIndex: -1 });
  const badge = h("span", { class: "badge" });
  const element = h("li", { class: "panel scene", dataset: { key: scene.key } });
  const up = button("up", () => up.ariaDisabled !== "true" && actions.move(-1));
  const down = button("down", () => down.ariaDisabled !== "true" && actions.move(1));
  const copy = button("copy", actions.duplicate);
  const bin = button("bin", actions.remove, "quiet small danger");
  const screen = face.create(actions.play);
  const form = h("fieldset", { "aria-labelledby": title.id }, fields.create(scene, actions.set));
  const handle = order.handle(element, { onMove: actions.move });
  const tools = h("div", { class: "scene-tools" }, up, down, copy, bin);
  const problem = h("div", { class: "scene-problem", role: "alert" });
  element.append(h("header", { class: "scene-head" }, handle, title, badge, tools), h("div", { class: "scene-body" }, screen.element, h("div", {}, problem, form)));
  const update = (look) => {
    title.textContent = `Scene ${look.at + 1}`;
    label(up, "Move up", look.at === 0, look);
    label(down, "Move down", look.at === look.count - 1, look);
    label(copy, "Duplicate", false, look);
    label(bin, "Remove", false, look);
    form.disabled = look.isFixed;
    tools.hidden = handle.hidden = look.isFixed;
    mark(badge, look);
    failure(problem, look);
    screen.update(look);
  };
  return { element, update };
}

function button(name, onclick, kind = "quiet small") {
  return h("button", { class: kind, type: "button", dataset: { does: name }, onclick }, icon(name));
}

// A button that cannot be used now keeps the focus, so it is not disabled.
function label(element, words, isOff, { at }) {
  element.setAttribute("aria-label", `${words}: scene ${at + 1}`);
  element.title = words;
  element.ariaDisabled = String(isOff);
}

function mark(badge, { story, origin, isChanged }) {
  const state = story && (isChanged ? { text: "Changed", icon: "again", status: "queued" } : steps.stateOf(story, origin));
  badge.hidden = !state;
  if (!state) return;
  const text = state.reused ? "Reused" : state.status === "in_progress" && state.percent ? `${state.text} · ${state.percent} %` : state.text;
  if (badge.textContent === text) return;
  badge.dataset.status = state.status;
  badge.replaceChildren(icon(state.icon), text);
}

function failure(problem, { story, origin, isChanged }) {
  const error = story && !isChanged ? steps.stateOf(story, origin)?.error : null;
  if (problem.textContent === (error?.message ?? "")) return;
  problem.replaceChildren(...(error ? [h("div", { class: "notice bad" }, icon("failed"), h("p", {}, error.message))] : []));
}
