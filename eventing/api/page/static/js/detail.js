// One video: its timeline while it is under way, its frames when it is done, its error in words, and its facts.
//   mount(element)   show(id, other)   id null: nothing is shown
import * as actions from "./actions.js";
import { badge } from "./card.js";
import * as codes from "./codes.js";
import * as compare from "./compare.js";
import * as deliveries from "./deliveries.js";
import { h, icon, fill } from "./dom.js";
import * as draft from "./draft.js";
import * as facts from "./facts.js";
import * as jobs from "./jobs.js";
import * as log from "./log.js";
import * as media from "./media.js";
import * as models from "./models.js";
import { stage } from "./player.js";
import * as timeline from "./timeline.js";
import { ago, hasEnded } from "./words.js";

let box, head, screen, progress, bar, problemBox, below;
let shown = { id: null, other: null, state: "" };
let unread = false; // the video could not be read; it is tried again when the server is back
let glimpse = { key: "", url: "" }; // the preview on the screen

export function mount(element) {
  box = element;
  box.classList.add("panel");
  head = h("header", { class: "detail-head" });
  screen = h("div", { class: "screen" });
  progress = timeline.create();
  problemBox = h("div", { role: "alert", hidden: true });
  bar = h("div", {});
  below = h("div", { class: "below" });
  box.append(head, screen, progress.element, problemBox, bar, below);
  jobs.subscribe((id) => { if (shown.id && (id === null || id === shown.id)) refresh(); });
  models.subscribe(() => { shown.state = ""; if (shown.id) refresh(); });
}

export async function show(id, other) {
  const isNew = id !== shown.id;
  shown = { id, other, state: "" };
  box.hidden = !id;
  if (!id) return;
  if (isNew) { glimpse = { key: "", url: "" }; fill(screen); fill(below); fill(bar); fill(head); progress.element.hidden = true; problem(null); scrollIntoSight(); }
  try {
    await Promise.all([jobs.find(id), other && jobs.find(other)]);
    if (shown.id === id) refresh();
  } catch (cause) {
    if (shown.id === id) missing(cause);
  }
}

function scrollIntoSight() {
  const top = box.getBoundingClientRect().top;
  if (top < 70 || top > innerHeight * 0.5) scrollTo({ top: Math.max(0, scrollY + top - 84) });
}

function missing(cause) {
  fill(head, h("h2", {}, cause.status === 404 ? "This video is not here" : "This video cannot be shown now"));
  fill(screen, h("p", { class: "notice" }, icon("cloud"), cause.status === 404 ? "It was deleted, its time to be kept is over, or the address belongs to somebody else." : cause.message));
  fill(below);
  fill(bar);
  progress.element.hidden = true;
}

function refresh() {
  const job = jobs.get(shown.id);
  if (!job) return missing({ status: 404 });
  document.title = `${job.request.prompt.slice(0, 60)} · reelzero`;
  box.dataset.job = job.id;
  box.dataset.status = job.status;
  fill(head, h("div", { class: "detail-line" }, badge(job), h("time", { class: "soft", dateTime: job.submitted_at }, ago(job.submitted_at)), close()), h("h2", {}, job.request.prompt));
  progress.element.hidden = hasEnded(job);
  if (!hasEnded(job)) progress.update(job);
  if (!hasEnded(job)) look(job);
  if (unread && !jobs.state.away && !jobs.state.loading) { unread = false; shown.state = ""; problem(null); }
  const state = `${job.status} ${shown.other} ${job.result?.attempt}`;
  if (state !== shown.state) { shown.state = state; settle(job); }
}

function close() {
  const link = h("a", { class: "quiet small close", href: "#/", "aria-label": "Close this video" }, icon("close"));
  return link;
}

// Draw what changes only with the state, so that a playing video, an open section and the focus stay.
function settle(job) {
  const other = shown.other && jobs.get(shown.other);
  if (job.status === "completed" && other?.status === "completed") fill(screen, compare.pair(job, other));
  else if (job.status === "completed") play(job);
  else if (hasEnded(job)) fill(screen, failure(job));
  else if (!glimpse.url) fill(screen, h("div", { class: "stage waiting" }, h("span", { class: "shimmer" })));
  const holdsFocus = bar.contains(document.activeElement) && document.activeElement.id;
  fill(bar, actions.bar(job, { onProblem: problem, onPair: () => choosePair(job) }));
  if (holdsFocus) (document.getElementById(holdsFocus) ?? bar.querySelector("button")).focus();
  const times = hasEnded(job) ? facts.times(job) : [];
  fill(below,
    remarks(job),
    times.length > 0 && h("section", {}, h("h3", {}, "Where the time went"), times),
    h("section", {}, h("h3", {}, "Settings"), facts.settings(job)),
    fold("Details", facts.names(job)), deliveries.section(job), log.section(job), code(job));
}

function play(job) {
  glimpse = { key: "", url: "" };
  const { element, ready } = stage(job);
  fill(screen, element);
  unread = false;
  ready.catch((cause) => { unread = true; problem(cause); });
}

function failure(job) {
  const words = job.error?.message ?? (job.status === "cancelled" ? "It was cancelled on request." : "It ended without a video.");
  return h("div", { class: `notice ${job.status === "failed" ? "bad" : ""}`, id: "failure" }, icon(job.status === "failed" ? "failed" : "cancelled"),
    h("div", {}, h("p", {}, words), job.error && job.status === "failed" && h("p", { class: "code-name" }, `${job.error.code}${job.error.retryable ? ", may work another time" : ""}`)));
}

function remarks(job) {
  const lines = [...new Set([...job.warnings, ...(job.result?.warnings ?? [])])];
  return lines.length > 0 && h("ul", { class: "notice wait remarks", id: "notes" }, lines.map((line) => h("li", {}, line)));
}

function fold(title, content) {
  return h("details", { class: "fold" }, h("summary", {}, icon("chevron"), title), content);
}

function code(job) {
  const details = fold("This request as code", h("div", {}));
  details.addEventListener("toggle", () => details.open && codes.show(details.lastElementChild, { fields: draft.again(job, models.get(job.model)), files: {} }));
  return details;
}

function choosePair(job) {
  below.querySelector(".choose-pair")?.remove();
  below.prepend(h("section", { class: "choose-pair" }, h("h3", {}, "Beside which video?"), compare.choice(job)));
  below.querySelector(".choose-pair a")?.focus();
}

function problem(cause) {
  problemBox.hidden = !cause;
  fill(problemBox, cause && h("div", { class: "notice bad" }, icon("failed"), h("p", {}, cause.message)));
}

// Show the picture of the unfinished video. It is fetched with the key, which an address in the page could not carry.
async function look(job) {
  const key = `${job.id} ${job.progress.preview_step}`;
  if (!job.links.preview || key === glimpse.key) return;
  glimpse = { key, url: glimpse.url };
  try {
    const url = await media.preview(job);
    if (shown.id !== job.id || hasEnded(jobs.get(job.id))) return URL.revokeObjectURL(url);
    const image = h("img", { id: "preview", alt: "Preview of the unfinished video", src: url });
    if (job.request.width < 200) image.classList.add("pixels");
    fill(screen, h("div", { class: "stage" }, image));
    URL.revokeObjectURL(glimpse.url);
    glimpse = { key, url };
  } catch { /* it may have ended meanwhile */ }
}
