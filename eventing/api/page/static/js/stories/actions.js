// What can be done with a story as a whole.
//   create({ onProblem(problem), onStory(story) }) → { element, update(story) }
import { announce } from "../announce.js";
import { fill, h, icon } from "../dom.js";
import { go, storyAddress } from "../router.js";
import { hasEnded } from "../words.js";
import * as draft from "./draft.js";
import * as store from "./store.js";

const SURE_MILLISECONDS = 4000; // in which a second click deletes

export function create(listeners) {
  const element = h("div", { class: "actions" });
  let shown = "";
  return { element, update(story) {
    const key = `${story.id} ${story.status}`;
    if (key === shown) return;
    shown = key;
    const focus = element.contains(document.activeElement) ? document.activeElement.id : null;
    fill(element, buttons(story, listeners));
    if (focus) (document.getElementById(focus) ?? element.querySelector("button"))?.focus();
  } };
}

function buttons(story, listeners) {
  const isOver = hasEnded(story);
  const make = (id, name, text, run, kind = "quiet small") => button({ id, name, text, kind }, run, listeners.onProblem);
  return [
    !isOver && make("story-cancel", "stop", "Cancel", async () => listeners.onStory(await store.cancel(story.id)), "button small danger"),
    isOver && story.status !== "completed" && make("story-retry", "again", "Go on from what failed", async () => listeners.onStory(await store.retry(story.id)), "primary small"),
    make("story-copy", "copy", "Copy to a new story", () => copy(story)),
    isOver && make("story-delete", "bin", "Delete", (element) => remove(story, element), "quiet small danger"),
  ];
}

function button({ id, name, text, kind }, run, onProblem) {
  const element = h("button", { class: kind, type: "button", id }, icon(name), text);
  element.addEventListener("click", async () => {
    element.disabled = true;
    onProblem(null);
    try { await run(element); } catch (problem) { onProblem(problem); } finally { element.disabled = false; }
  });
  return element;
}

function copy(story) {
  draft.keep("new", story.request);
  go(storyAddress("new"));
}

async function remove(story, element) {
  if (!element.dataset.sure) {
    element.dataset.sure = "true";
    element.lastChild.textContent = "Really delete?";
    setTimeout(() => { delete element.dataset.sure; element.lastChild.textContent = "Delete"; }, SURE_MILLISECONDS);
    return;
  }
  await store.remove(story.id);
  announce("The story is deleted");
  go("#/stories");
}
