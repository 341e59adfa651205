// How far a story is: its share, what runs now, and each step with its time and whether it was reused.
//   create() → { element, table, update(story) }
import { fill, h, icon } from "../dom.js";
import { redraw, table } from "../tables.js";
import { count, hasEnded, seconds } from "../words.js";
import * as steps from "./steps.js";

export function create() {
  const now = h("h3", { class: "now" });
  const words = h("p", { class: "soft" });
  const bar = h("progress", { id: "story-bar", max: 100, value: 0, "aria-label": "Share of the story that is done" });
  const rows = h("div", {});
  const summary = h("span", { class: "soft" });
  const fold = h("details", { class: "fold", id: "story-steps" }, h("summary", {}, icon("chevron"), "Steps", summary), rows);
  const element = h("div", { class: "timeline" }, h("div", { class: "now-line" }, now, words), bar);
  let latest = null;
  let received = 0;
  const tick = () => { if (element.isConnected && latest) words.textContent = detail(latest, (Date.now() - received) / 1000); };
  const timer = setInterval(tick, 1000);
  return { element, table: fold, stop: () => clearInterval(timer), update(story) {
    latest = story;
    received = Date.now();
    element.hidden = hasEnded(story);
    bar.value = story.percent;
    now.textContent = heading(story);
    tick();
    summary.textContent = tally(story);
    redraw(rows, table("Steps of the story", ["Step", "Type", "State", { text: "Expected", number: true }, { text: "Took", number: true }], story.steps.map(row)));
  } };
}

function heading(story) {
  const running = story.steps.filter((step) => step.state === "running");
  if (running.length && running.every((step) => step.queued)) return "Waiting for a worker";
  const first = running.find((step) => !step.queued);
  if (!first) return story.status === "queued" ? "Waiting to begin" : "Preparing the next step";
  const more = running.length > 1 ? ` and ${count(running.length - 1, "further step")}` : "";
  return `${sentence(first)}${more}`;
}

const VERBS = { speech: "Speaking", video: "Drawing", scene: "Fitting" };

function sentence(step) {
  const [, kind, number] = /^(speech|video|scene)-(\d+)$/.exec(step.name) ?? [];
  if (kind) return `${VERBS[kind]} scene ${number}`;
  return step.name === "film" ? "Joining the film" : `Running ${step.name}`;
}

function detail(story, since) {
  const over = story.steps.filter((step) => step.state === "completed").length;
  const parts = [`${over} of ${count(story.steps.length, "step")}`, `${story.percent} %`];
  const left = steps.remaining(story);
  if (left !== null && !hasEnded(story)) parts.push(left - since < 1 ? "nearly done" : `about ${seconds(left - since)} of work left`);
  return parts.join(" · ");
}

function tally(story) {
  const reused = story.steps.filter((step) => step.reused).length;
  return `${story.steps.length}${reused ? `, ${reused} of them reused` : ""}`;
}

function row(step) {
  const state = steps.words(step);
  const text = step.reused ? "Reused" : step.state === "running" && step.percent ? `${state.text} · ${step.percent} %` : state.text;
  const badge = h("span", { class: "badge", dataset: { status: state.status } }, icon(state.icon), text);
  const problem = step.error && h("p", { class: "wrong" }, step.error.message);
  return [h("code", {}, step.name), step.uses, fill(h("div", { class: "step-state" }), badge, problem), seconds(step.expected_seconds), step.reused ? "–" : seconds(step.seconds)];
}
