// Two videos side by side, in step: one button and one bar move both.
//   choice(job) → element, to choose the other one     pair(job, other) → element
import { h, icon } from "./dom.js";
import * as jobs from "./jobs.js";
import * as media from "./media.js";
import { stage } from "./player.js";
import { jobAddress } from "./router.js";

const MOST = 12;

export function choice(job) {
  const others = jobs.all().filter((each) => each.status === "completed" && each.id !== job.id)
    .sort((a, b) => rank(b, job) - rank(a, job) || (a.submitted_at < b.submitted_at ? 1 : -1)).slice(0, MOST);
  if (!others.length) return h("p", { class: "soft" }, "There is no other finished video yet.");
  return h("ul", { class: "others", "aria-label": "Beside which video?" }, others.map((other) => {
    const image = h("img", { alt: "" });
    media.address(other, "poster").then((url) => { image.src = url; }, () => {});
    return h("li", {}, h("a", { href: `${jobAddress(job.id)}/with/${other.id}` }, image, h("span", {}, `${other.request.prompt} · seed ${other.request.seed}`)));
  }));
}

// Those of the same group and the same prompt first.
const rank = (other, job) => (job.group && other.group === job.group ? 2 : 0) + (other.request.prompt === job.request.prompt ? 1 : 0);

export function pair(job, other) {
  const sides = [job, other].map((each) => stage(each, { plays: false, controls: false }));
  const [first, second] = sides.map((side) => side.video);
  const play = h("button", { class: "button", type: "button", id: "pair-play" }, icon("play"), "Play");
  const bar = h("input", { type: "range", id: "pair-bar", min: 0, max: 1000, value: 0, "aria-label": "Place in both videos" });
  const share = () => (first.duration ? first.currentTime / first.duration : 0);
  const follow = () => { if (second.duration) second.currentTime = share() * second.duration; };
  const face = (name, text) => play.replaceChildren(icon(name), text);
  play.addEventListener("click", () => (first.paused ? start() : stop()));
  const start = () => { follow(); second.playbackRate = rate(); first.play().catch(() => {}); second.play().catch(() => {}); face("pause", "Pause"); tick(); };
  const stop = () => { first.pause(); second.pause(); follow(); face("play", "Play"); };
  const rate = () => (first.duration && second.duration ? Math.min(4, Math.max(0.25, second.duration / first.duration)) : 1);
  const tick = () => {
    if (first.paused || !first.isConnected) return;
    bar.value = share() * 1000;
    if (Math.abs(second.currentTime / second.duration - share()) > 0.05) follow();
    requestAnimationFrame(tick);
  };
  bar.addEventListener("input", () => { stop(); if (first.duration) first.currentTime = (bar.valueAsNumber / 1000) * first.duration; follow(); });
  const figures = sides.map(({ element }, at) => {
    const each = [job, other][at];
    return h("figure", {}, element, h("figcaption", {}, h("a", { href: jobAddress(each.id) }, each.request.prompt), h("span", { class: "soft" }, `seed ${each.request.seed}`)));
  });
  return h("div", { class: "compare" }, h("div", { class: "compare-pair" }, figures), h("div", { class: "compare-bar" }, play, bar));
}
