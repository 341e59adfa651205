// All stories of the caller at `#/stories`: what each tells, how far it is, and a way to begin one.
//   mount(element) → unmount
import { fill, h, icon } from "../dom.js";
import { storyAddress } from "../router.js";
import { STATUS, ago, count, hasEnded } from "../words.js";
import { titleOf } from "./document.js";
import * as steps from "./steps.js";
import * as store from "./store.js";

const EVERY_MILLISECONDS = 3000; // while a story is under way and the page is seen

export function mount(element) {
  const view = { list: h("ul", { class: "story-list" }), foot: h("div", { class: "gallery-foot" }), items: new Map(), next: null, isOver: false };
  fill(element, h("div", { class: "page" },
    h("header", { class: "gallery-head" }, h("h1", { class: "page-title" }, "Stories"), h("a", { class: "primary", id: "new-story", href: storyAddress("new") }, icon("plus"), "New story")), view.list, view.foot));
  fill(view.foot, h("div", { class: "story-item panel ghost", "aria-hidden": "true" }));
  look(view);
  const timer = setInterval(() => { if (!document.hidden && view.isUnderWay) look(view); }, EVERY_MILLISECONDS);
  return () => { view.isOver = true; clearInterval(timer); element.replaceChildren(); };
}

async function look(view, after = null) {
  try {
    const page = await store.page(after);
    if (view.isOver) return;
    if (after || !view.next) view.next = page.next ?? null;
    for (const story of page.data) show(view, story, after);
    view.isUnderWay = [...view.items.values()].some((item) => !hasEnded(item.story));
    foot(view);
  } catch (problem) {
    if (!view.isOver) fill(view.foot, h("div", { class: "notice bad", role: "alert" }, icon("failed"), h("p", {}, problem.message), h("button", { class: "button small", type: "button", onclick: () => look(view) }, "Try again")));
  }
}

// A new story comes first, those of a further page last.
function show(view, story, after) {
  let item = view.items.get(story.id);
  if (!item) {
    item = create(story);
    if (after || !view.isFilled) view.list.append(item.element); else view.list.prepend(item.element);
    view.items.set(story.id, item);
  }
  update(item, story);
}

function foot(view) {
  view.isFilled = true;
  if (view.next) return fill(view.foot, h("button", { class: "button", type: "button", onclick: () => look(view, view.next) }, "Show more"));
  return fill(view.foot, !view.items.size && h("div", { class: "empty" }, h("p", { class: "empty-title" }, "A story is several scenes in one film"),
    h("p", { class: "soft" }, "Each scene is a video of a prompt, a picture or a title, with narration, if you like. Change one scene later, and only that one is made again."),
    h("a", { class: "primary", href: storyAddress("new") }, icon("plus"), "Begin a story")));
}

function create(story) {
  const poster = h("span", { class: "poster story-poster" });
  const text = h("span", { class: "story-text" });
  const progress = h("progress", { max: 100, "aria-label": "Share of the story that is done" });
  const element = h("li", { class: "tile" }, h("a", { class: "story-item", href: storyAddress(story.id) }, poster, h("span", { class: "story-side" }, text, progress)));
  return { element, poster, text, progress, story };
}

function update(item, story) {
  item.story = story;
  const { text, icon: name } = STATUS[story.status];
  const share = story.status === "in_progress" ? ` · ${story.percent} %` : "";
  const number = story.request.scenes?.length;
  const size = number ? count(number, "scene") : count(story.steps.length, "step");
  fill(item.text, h("span", { class: "card-prompt" }, titleOf(story.request)),
    h("span", { class: "story-meta" }, h("span", { class: "badge", dataset: { status: story.status } }, icon(name), text + share), h("span", { class: "soft" }, size), h("time", { class: "soft", dateTime: story.submitted_at }, ago(story.submitted_at))));
  item.progress.hidden = hasEnded(story);
  item.progress.value = story.percent;
  face(item, story, name);
}

async function face(item, story, name) {
  const file = steps.files(story).poster ?? steps.picture(story, 0);
  const key = file?.sha256 ?? story.status;
  if (item.key === key) return;
  item.key = key;
  const url = file && (await store.file(file).catch(() => null));
  if (item.key === key) fill(item.poster, url ? h("img", { src: url, alt: "" }) : h("span", { class: "poster-state" }, icon(name)));
}
