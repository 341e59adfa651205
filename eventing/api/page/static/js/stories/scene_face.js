// The face of a scene's card: what it will show, the preview of the running video, then its picture and its clip.
//   create(onPlay) → { element, update({ scene, story, origin }) }     onPlay() plays the finished scene
import { fill, h, icon } from "../dom.js";
import * as previews from "./previews.js";
import * as steps from "./steps.js";
import * as thumbnail from "./thumbnail.js";

export function create(onPlay) {
  const screen = h("div", { class: "poster scene-screen" });
  const bar = h("progress", { max: 100, value: 0, "aria-label": "Share of the scene that is done", hidden: true });
  const play = h("button", { class: "button small scene-play", type: "button", hidden: true, onclick: onPlay }, icon("play"), "Play");
  let shown = "";
  const update = (look) => {
    const state = look.story && look.origin >= 0 ? steps.stateOf(look.story, look.origin) : null;
    bar.hidden = state?.status !== "in_progress";
    bar.value = state?.percent ?? 0;
    play.hidden = !(state?.status === "completed" && steps.clip(look.story, look.origin));
    play.setAttribute("aria-label", `Play scene ${look.at + 1}`);
    const key = keyOf(look, state);
    if (key === shown) return;
    shown = key;
    draw(screen, look, state, () => shown === key);
  };
  return { element: h("div", { class: "scene-face" }, screen, bar, play), update };
}

function keyOf({ scene, story, origin: at }, state) {
  const file = state && thumbnail.key(story, at);
  const preview = state?.status === "in_progress" && previews.key(steps.ofScene(story, at).video);
  return [state?.status, file, preview, !file && scene.kind, !file && scene.image?.length, scene.title].join();
}

async function draw(screen, look, state, isCurrent) {
  const { story, origin: at } = look;
  if (state?.status === "in_progress") {
    const url = await previews.address(steps.ofScene(story, at).video);
    if (!isCurrent()) return;
    if (url) return void fill(screen, h("img", { src: url, alt: "Preview of the unfinished scene", class: "scene-preview" }));
  }
  const picture = state && (await thumbnail.create(story, at));
  if (!isCurrent()) return;
  if (picture && look.scene.kind !== "title") return void fill(screen, picture);
  fill(screen, still(look.scene, state));
}

// Without a file: the picture that was chosen, the words of the title, or a sign.
function still(scene, state) {
  if (scene.kind !== "title" && scene.image?.startsWith("data:")) return h("img", { src: scene.image, alt: "" });
  if (scene.kind === "title" && scene.title) return h("span", { class: "scene-title" }, scene.title);
  const sign = { video: "play", picture: "picture", title: "words" }[scene.kind];
  return h("span", { class: "poster-state" }, icon(state?.status === "failed" ? "failed" : sign));
}

