// One story at `#/stories/new` and `#/stories/ID`: its settings beside its scenes, and once it is sent, its stage.
//   mount(element, id) → unmount
// A story that is over can be changed: only the changed scenes are sent, and a new story takes over the rest.
import { announce } from "../announce.js";
import { fill, h, icon } from "../dom.js";
import { go, storyAddress } from "../router.js";
import { STATUS, count, hasEnded } from "../words.js";
import * as drafts from "./draft.js";
import * as estimates from "./estimate.js";
import * as faults from "./faults.js";
import * as filmSettings from "./film_settings.js";
import { titleOf } from "./document.js";
import * as sceneList from "./scenes.js";
import * as stages from "./stage.js";
import * as store from "./store.js";
import * as previews from "./previews.js";

export function mount(element, id) {
  const view = { element, id, isOver: false, ends: [] };
  if (id === "new") build(view, null); else load(view);
  return () => { view.isOver = true; for (const end of view.ends) end(); element.replaceChildren(); };
}

async function load(view) {
  fill(view.element, h("div", { class: "panel story-stage ghost" }));
  try {
    const story = await store.get(view.id);
    if (!view.isOver) build(view, story);
  } catch (problem) {
    const words = problem.status === 404 ? "It was deleted, its time to be kept is over, or the address belongs to somebody else." : problem.message;
    if (!view.isOver) fill(view.element, h("div", { class: "panel story-stage" }, h("h1", {}, problem.status === 404 ? "This story is not here" : "This story cannot be shown now"),
      h("p", { class: "notice" }, icon("cloud"), words), h("a", { class: "button", href: "#/stories" }, "All stories")));
  }
}

function build(view, story) {
  view.draft = drafts.open(view.id, story?.request);
  view.stage = story && stages.create({ onStory: (latest) => { take(view, latest); watch(view); } });
  view.scenes = sceneList.create(view.draft, { onPlay: (at) => play(view, at) });
  view.settings = filmSettings.create(view.draft);
  view.faults = faults.create({ cardOf: view.scenes.card, settings: view.settings.element });
  view.estimate = estimates.create({ look: () => wish(view), onProblem: view.faults.show });
  view.button = h("button", { class: "primary", id: "story-go", type: "submit" }, icon("play"), h("span", {}));
  draw(view, story);
  view.draft.subscribe(() => { view.faults.clear(); offer(view); view.estimate.ask(); });
  view.ends.push(view.estimate.stop, previews.watch((id) => glimpse(view, id)));
  if (story) { view.ends.push(view.stage.stop); take(view, story); watch(view); } else { offer(view); view.estimate.ask(); document.title = "New story · reelzero"; }
}

function draw(view, story) {
  const form = h("form", { class: "pane-form story-form", "aria-label": story ? "Change the story" : "New story", noValidate: true },
    h("h1", { class: "form-title" }, story ? "The film" : "New story"), view.settings.element,
    h("div", { class: "send" }, view.faults.element, h("div", { class: "send-row" }, view.button), view.estimate.element));
  form.addEventListener("submit", (event) => { event.preventDefault(); send(view); });
  const onKey = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(view); } };
  document.addEventListener("keydown", onKey);
  view.ends.push(() => document.removeEventListener("keydown", onKey));
  const hasScenes = !story || story.request.scenes?.length;
  fill(view.element, h("div", { class: "panes story-panes" }, hasScenes && form, h("div", { class: "pane-work" }, view.stage?.element, hasScenes && view.scenes.element)));
}

function play(view, at) {
  view.stage.playScene(at);
  view.stage.element.scrollIntoView({ block: "nearest" });
}

// The latest state of the story, from an answer or from its stream.
function take(view, story) {
  const before = view.story?.status;
  view.story = story;
  document.title = `${titleOf(story.request).slice(0, 60)} · reelzero`;
  if (before && before !== story.status) announce(`The story: ${STATUS[story.status].text}`);
  view.stage.update(story);
  view.scenes.update(story);
  view.settings.update(!hasEnded(story));
  offer(view);
}

function watch(view) {
  view.unfollow?.();
  if (hasEnded(view.story)) return;
  view.unfollow = store.follow(view.id, {
    onStory: (story) => { view.stage.away(false); take(view, story); },
    onAway: () => view.stage.away(true),
  });
  view.ends.push(view.unfollow);
}

// A video of the story has another preview.
function glimpse({ story, stage, scenes }, jobId) {
  if (!story || hasEnded(story) || !story.steps.some((step) => step.job_id === jobId)) return;
  stage.update(story);
  scenes.update(story);
}

// What the button does now, and whether it can.
function offer(view) {
  const { story, draft, button } = view;
  const changed = draft.scenes.filter((scene) => draft.isSceneChanged(scene.key)).length;
  const isBusy = story && !hasEnded(story);
  button.disabled = Boolean(story) && (isBusy || !draft.isChanged()) || !draft.scenes.length;
  button.lastChild.textContent = !story ? "Make the film" : isBusy ? "It is being made" : !draft.isChanged() ? "Change something first" :
    changed ? `Make it with ${count(changed, "changed scene")}` : "Make it with these changes";
}

// What to estimate: nothing while a scene is empty or nothing has changed.
function wish({ story, draft }) {
  const isFull = draft.scenes.length && draft.scenes.every((scene) => scene.prompt || scene.image || scene.title);
  if (!isFull || (story && (!hasEnded(story) || !draft.isChanged()))) return null;
  return { document: draft.document(), open: story ? opened(draft) : null };
}

// The steps that a change makes run again: those of its scenes, and the film. Another model or size may change all.
function opened(draft) {
  if (draft.isFilmChanged()) return null;
  const places = new Set(draft.scenes.flatMap((scene, at) => (draft.isSceneChanged(scene.key) ? [at + 1] : [])));
  return (name) => { const number = /^(?:speech|video|scene)-(\d+)$/.exec(name)?.[1]; return !number || places.has(Number(number)); };
}

async function send(view) {
  const { story, draft, button } = view;
  if (button.disabled) return;
  button.disabled = true;
  view.estimate.stop();
  view.faults.clear();
  try {
    view.key ??= crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    const made = story ? await store.revise(view.id, draft.changes()) : await store.submit(draft.document(), view.key);
    draft.forget();
    announce("The story is in the queue");
    go(storyAddress(made.id));
  } catch (problem) {
    if (problem.status) view.key = null; // another request; after a lost answer it is the same one
    view.faults.show(problem, { isFocused: true });
    button.disabled = false;
  }
}
