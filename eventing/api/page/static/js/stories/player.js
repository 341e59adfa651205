// Play what is there of a film: the clips of its finished scenes in their order, each with its speech, until the film is.
//   create(shapeOf) → { element, update(story), playScene(at) }     shapeOf(story) is the film's width by its height
import { fill, h, icon } from "../dom.js";
import * as previews from "./previews.js";
import * as steps from "./steps.js";
import * as store from "./store.js";
import * as thumbnail from "./thumbnail.js";

export function create(shapeOf) {
  const video = h("video", { class: "story-video", controls: true, playsInline: true, hidden: true });
  const sound = h("audio", { hidden: true });
  const words = h("p", { class: "stage-words", hidden: true });
  const sign = h("span", { class: "poster-state" });
  const screen = h("div", { class: "stage story-screen" }, sign, video, words, sound);
  const strip = h("ol", { class: "strip", "aria-label": "Finished scenes" });
  const view = { video, sound, words, sign, screen, strip, story: null, at: null, film: "" };
  video.addEventListener("ended", () => { if (view.at !== null) playFrom(view, view.at + 1); });
  video.addEventListener("play", () => { if (sound.src && view.at !== null) sound.play().catch(() => {}); });
  video.addEventListener("pause", () => sound.pause());
  video.addEventListener("seeking", () => { sound.currentTime = Math.min(video.currentTime, sound.duration || 0); });
  return {
    element: h("div", { class: "story-player" }, screen, strip),
    update(story) { view.story = story; view.screen.style.setProperty("--ratio", shapeOf(story)); face(view); drawStrip(view); film(view); },
    playScene: (at) => playOne(view, at),
  };
}

const count = (story) => story.request.scenes?.length ?? 0;
const finished = (story) => Array.from({ length: count(story) }, (_, at) => at).filter((at) => steps.clip(story, at));

// What the stage shows before there is anything to play: the preview of a video that runs, or a sign.
async function face({ story, sign, video }) {
  sign.hidden = !video.hidden;
  if (sign.hidden) return;
  const running = story.steps.find((step) => step.uses === "video" && step.state === "running" && !step.queued);
  const key = `${story.status} ${running?.name} ${previews.key(running)}`;
  if (sign.dataset.key === key) return;
  sign.dataset.key = key;
  const url = await previews.address(running);
  if (sign.dataset.key !== key) return;
  const name = { queued: "queued", in_progress: "running", failed: "failed", cancelled: "cancelled", completed: "play" }[story.status];
  fill(sign, url ? h("img", { src: url, alt: "Preview of the unfinished scene", class: "scene-preview" }) : icon(name));
}

function drawStrip(view) {
  const { story, strip } = view;
  strip.hidden = !count(story);
  Array.from({ length: count(story) }, (_, at) => at).forEach((at) => {
    const item = strip.children[at] ?? strip.appendChild(h("li", {}, h("button", { class: "strip-scene", type: "button", onclick: () => playFrom(view, at) })));
    drawItem(view, item.firstChild, at);
  });
}

async function drawItem({ story, at: playing }, button, at) {
  const state = steps.stateOf(story, at);
  const isReady = Boolean(steps.clip(story, at));
  button.dataset.status = state?.status;
  button.disabled = !isReady;
  button.setAttribute("aria-label", `Scene ${at + 1}: ${isReady ? "play from here" : state?.text ?? "waiting"}`);
  button.ariaCurrent = String(playing === at);
  const key = `${thumbnail.key(story, at)} ${state?.icon}`;
  if (button.dataset.key === key) return;
  button.dataset.key = key;
  const picture = await thumbnail.create(story, at);
  if (button.dataset.key === key) fill(button, picture ?? icon(state?.icon ?? "queued"), h("span", { class: "strip-number" }, String(at + 1)));
}

// The next scene that is there; those that are not are left out.
function playFrom(view, from) {
  const at = finished(view.story).find((each) => each >= from);
  if (at === undefined) { view.at = null; say(view, view.film ? "" : "That is all that is finished by now"); return drawStrip(view); }
  return playOne(view, at);
}

async function playOne(view, at) {
  const { story, video, sound } = view;
  view.at = at;
  drawStrip(view);
  const [clip, speech] = [steps.clip(story, at), steps.sound(story, at)];
  if (!clip) return;
  try {
    const [url, heard] = await Promise.all([store.file(clip), speech && store.file(speech)]);
    if (view.at !== at) return;
    if (heard) sound.src = heard; else sound.removeAttribute("src");
    for (const track of video.querySelectorAll("track")) track.remove();
    Object.assign(video, { hidden: false, poster: "", src: url });
    video.setAttribute("aria-label", `Scene ${at + 1}`);
    view.sign.hidden = true;
    say(view, "");
    await video.play().catch(() => {});
  } catch (problem) {
    say(view, problem.message);
  }
}

function say({ words }, text) {
  words.textContent = text;
  words.hidden = !text;
}

// The film, once it is there. A scene that plays goes on to its end.
async function film(view) {
  const { story, video } = view;
  const made = steps.files(story).film;
  if (story.status !== "completed" || !made || view.film === made.sha256) return;
  view.film = made.sha256;
  try {
    const [files, track] = await Promise.all([store.result(story.id), subtitles(story)]);
    if (view.film !== made.sha256) return;
    view.at = null;
    Object.assign(video, { hidden: false, preload: "metadata", poster: files.poster?.url ?? "", src: files.film.url });
    video.setAttribute("aria-label", "The film");
    video.replaceChildren(...[track].filter(Boolean));
    view.sign.hidden = true;
    say(view, "");
  } catch (problem) {
    view.film = "";
    say(view, problem.message);
  }
}

// By an address of this page: a track of another origin would need that origin's leave.
async function subtitles(story) {
  const file = steps.files(story).subtitles;
  if (!file || (story.request.film?.subtitles ?? "file") !== "file") return null;
  const url = await store.file(file).catch(() => null);
  return url && h("track", { kind: "subtitles", label: "Subtitles", srclang: story.request.film?.voice?.slice(0, 2) ?? "en", src: url, default: true });
}
