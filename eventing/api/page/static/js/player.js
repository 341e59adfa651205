// Play a video at a sane size: small ones are enlarged by a whole factor, large ones fit the stage.
//   stage(job) → { element, video, ready }      the poster first; it plays by itself unless motion is reduced
import { h, icon, prefersLessMotion } from "./dom.js";
import * as media from "./media.js";

const LARGEST = 448; // pixels that a small video is enlarged to, at most

export function stage(job, { plays = true, controls = true } = {}) {
  const { result } = job;
  const video = h("video", { id: controls ? "video" : undefined, controls, loop: true, muted: true, playsInline: true, preload: "auto" });
  video.setAttribute("aria-label", `Video: ${job.request.prompt}`);
  if (result.sound) video.muted = false;
  if (result.width < 200) video.classList.add("pixels");
  video.style.aspectRatio = `${result.width} / ${result.height}`;
  video.style.width = `min(100%, ${width(result)}px, calc(52vh * ${result.width / result.height}))`;
  const element = h("div", { class: "stage" }, video);
  video.addEventListener("error", () => element.append(lost()), { once: true });
  return { element, video, ready: load(job, video, plays && !prefersLessMotion()) };
}

function width(result) {
  const longest = Math.max(result.width, result.height);
  return longest < LARGEST ? result.width * Math.max(1, Math.floor(LARGEST / longest)) : result.width;
}

async function load(job, video, plays) {
  media.address(job, "poster").then((url) => { video.poster = url; }, () => {});
  video.src = await media.address(job);
  if (plays) video.play().catch(() => {}); // a browser may want a click first; the controls are there
}

const lost = () => h("p", { class: "stage-words" }, icon("cloud"), "The file cannot be read from object storage now.");
