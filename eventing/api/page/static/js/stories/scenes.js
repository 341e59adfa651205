// All scenes of a story as cards: added, copied, removed and put in order; what changes is said to screen readers.
//   create(draft, { onPlay(at) }) → { element, update(story), card(at) }
import { announce } from "../announce.js";
import { h, icon } from "../dom.js";
import { arrange } from "./order.js";
import * as sceneCard from "./scene_card.js";
import { hasEnded } from "../words.js";
import { blank } from "./document.js";

export function create(draft, { onPlay }) {
  const list = h("ol", { class: "scene-list" });
  const undo = h("p", { class: "notice scene-undo", hidden: true });
  const add = h("button", { class: "button", type: "button", id: "add-scene", onclick: () => appear(draft.add(blank(last()))) }, icon("plus"), "Add a scene");
  const foot = h("div", { class: "scene-foot" }, undo, add);
  const element = h("section", { class: "scenes", "aria-label": "Scenes" }, h("h2", {}, "Scenes"), list, foot);
  const cards = new Map(); // key → card
  let story = null;

  const last = () => draft.scenes.at(-1)?.kind ?? "video";
  const make = (scene) => sceneCard.create(scene, {
    set: (field, value) => draft.set(scene.key, field, value),
    move: (by) => move(scene.key, by),
    duplicate: () => appear(draft.duplicate(scene.key)),
    remove: () => remove(scene.key),
    play: () => onPlay(draft.originOf(scene.key)),
  });

  function show(still = null) {
    const { scenes } = draft;
    for (const [key, card] of cards) if (!scenes.some((scene) => scene.key === key)) { card.element.remove(); cards.delete(key); }
    for (const scene of scenes) if (!cards.has(scene.key)) cards.set(scene.key, make(scene));
    const wanted = scenes.map((scene) => cards.get(scene.key).element);
    if (wanted.some((card, at) => list.children[at] !== card)) arrange(list, wanted, still);
    scenes.forEach((scene, at) => look(scene, at));
  }

  function look(scene, at) {
    const origin = draft.originOf(scene.key);
    const isChanged = Boolean(story) && draft.isSceneChanged(scene.key);
    cards.get(scene.key).update({ scene, story, at, origin, count: draft.scenes.length, isChanged, isFixed: Boolean(story) && !hasEnded(story) });
  }

  function move(key, by) {
    const place = draft.scenes.findIndex((scene) => scene.key === key);
    if (draft.move(key, by) === null) return;
    show(cards.get(key).element);
    announce(`Scene ${place + 1} is now scene ${place + by + 1} of ${draft.scenes.length}`);
  }

  function appear(key) {
    show();
    const { element: card } = cards.get(key);
    card.querySelector(".scene-words :is(textarea, input)")?.focus();
    card.scrollIntoView({ block: "nearest" });
    announce(`Scene ${draft.scenes.findIndex((scene) => scene.key === key) + 1} of ${draft.scenes.length} was added`);
  }

  function remove(key) {
    const { scene, place } = draft.remove(key);
    show();
    const back = h("button", { class: "button small", type: "button", onclick: () => { undo.hidden = true; appear(draft.add(scene, place)); } }, "Undo");
    undo.replaceChildren(h("span", {}, `Scene ${place + 1} is removed.`), back);
    undo.hidden = false;
    announce(`Scene ${place + 1} is removed, ${draft.scenes.length} are left`);
    (list.children[Math.min(place, list.children.length - 1)]?.querySelector("h3") ?? add).focus();
  }

  draft.subscribe((key) => { if (key !== null) show(); });
  show();
  return {
    element,
    card: (at) => list.children[at],
    update(latest) { story = latest; foot.hidden = Boolean(story) && !hasEnded(story); show(); },
  };
}
