// One story on its way and after: its state, its film as it grows, its files, what can be done, and its steps.
//   create({ onStory(story) }) → { element, update(story), playScene(at), away(isAway), stop() }
import { fill, h, icon } from "../dom.js";
import * as models from "../models.js";
import { storyAddress } from "../router.js";
import { STATUS, ago } from "../words.js";
import * as actions from "./actions.js";
import { titleOf } from "./document.js";
import * as files from "./files.js";
import * as player from "./player.js";
import * as progress from "./progress.js";

export function create({ onStory }) {
  const head = h("header", { class: "detail-head" });
  const problem = h("div", { role: "alert" });
  const absent = h("p", { class: "notice wait", hidden: true }, icon("cloud"), "The server does not answer. This is the last known state; it goes on by itself.");
  const showProblem = (cause) => fill(problem, cause && h("div", { class: "notice bad" }, icon("failed"), h("p", {}, cause.message)));
  const parts = { player: player.create(shapeOf), progress: progress.create(), files: files.create(showProblem), actions: actions.create({ onStory, onProblem: showProblem }) };
  const failure = h("div", {});
  const element = h("article", { class: "panel story-stage", "aria-label": "Story" },
    head, absent, parts.progress.element, failure, problem, parts.player.element, parts.files.element, parts.actions.element, parts.progress.table);
  return {
    element,
    playScene: parts.player.playScene,
    away: (isAway) => { absent.hidden = !isAway; },
    stop: parts.progress.stop,
    update(story) {
      element.dataset.status = story.status;
      drawHead(head, story);
      drawFailure(failure, story);
      for (const part of Object.values(parts)) part.update(story);
    },
  };
}

function drawHead(head, story) {
  const { text, icon: name } = STATUS[story.status];
  const badge = h("span", { class: "badge", dataset: { status: story.status } }, icon(name), story.status === "in_progress" ? `${text} · ${story.percent} %` : text);
  const origin = story.revised_from && h("a", { class: "soft", href: storyAddress(story.revised_from) }, "Changed from an earlier story");
  fill(head, h("div", { class: "detail-line" }, badge, h("time", { class: "soft", dateTime: story.submitted_at }, ago(story.submitted_at)), origin, close()), h("h2", {}, titleOf(story.request)));
}

const close = () => h("a", { class: "quiet small close", href: "#/stories", "aria-label": "Close this story" }, icon("close"));

function drawFailure(box, story) {
  const key = story.error?.message ?? "";
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  fill(box, story.error && h("div", { class: "notice bad", id: "story-failure" }, icon("failed"),
    h("div", {}, h("p", {}, story.error.message), h("p", { class: "code-name" }, story.error.code))));
}

// The film's width by its height, before there is a film.
function shapeOf({ request }) {
  const film = request.film ?? {};
  const model = models.get(film.model) ?? models.byDefault();
  const [width, height] = [film.width ?? model?.sizes[0][0] ?? 16, film.height ?? model?.sizes[0][1] ?? 9];
  return width / height;
}
