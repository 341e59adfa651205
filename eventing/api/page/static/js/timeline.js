// Where a job is on its way: queue with position, cold start, stages with their step, elapsed and expected time.
//   create() → { element, update(job) }
import { h, icon, fill } from "./dom.js";
import * as jobs from "./jobs.js";
import * as models from "./models.js";
import { STAGES, hasEnded, seconds, waitReason } from "./words.js";

const WEIGHTS = ["queued", "starting", "encode_prompt", "denoise", "decode", "encode_video", "upload"];
const ENGINE = ["queued", "starting", "engine_queue", "generate", "download", "encode_video", "upload"];
const SHORT = {
  queued: "Queue", starting: "Start", encode_prompt: "Prompt", denoise: "Draw", decode: "Decode", encode_video: "Encode", upload: "Store",
  engine_queue: "Engine", generate: "Make", download: "Fetch",
};

export function create() {
  const title = h("h3", { class: "now" });
  const words = h("p", { class: "soft" });
  const bar = h("progress", { id: "bar", max: 100, value: 0, "aria-label": "Share that is done" });
  const steps = h("ol", { class: "stages" });
  const element = h("div", { class: "timeline" }, h("div", { class: "now-line" }, title, words), bar, steps);
  let latest = null;
  let received = 0;
  const draw = () => {
    if (!element.isConnected || !latest) return;
    title.textContent = heading(latest);
    words.textContent = detail(latest, (Date.now() - received) / 1000);
  };
  setInterval(draw, 1000);
  return { element, update(job) {
    latest = job;
    received = Date.now();
    bar.value = job.percent;
    drawStages(steps, job);
    draw();
  } };
}

function heading(job) {
  if (job.cancel_requested && !hasEnded(job)) return "Cancelling";
  return STAGES[job.progress.stage] ?? job.progress.stage;
}

// The line below: position, step, elapsed and expected seconds. `since` is the age of the record.
function detail(job, since) {
  const { progress } = job;
  const model = models.get(job.model);
  const parts = [];
  if (jobs.state.away) return "last known state: the server does not answer now";
  if (job.status === "queued") {
    if (job.queue_position !== null) parts.push(job.queue_position === 0 ? "first in the queue" : `${job.queue_position} ahead of it`);
    if (job.waiting_for) parts.push(waitReason(job.waiting_for));
    parts.push(`waiting for ${seconds(age(job.submitted_at))}`);
  } else if (progress.stage === "starting") {
    const expected = model && models.coldStart(model);
    parts.push(`${seconds(Math.max(0, age(job.submitted_at) - (job.queue_seconds ?? 0)))} so far`);
    if (expected) parts.push(expected.isLimit ? `a start takes ${seconds(expected.seconds)} at most` : `a start takes about ${seconds(expected.seconds)}`);
  } else {
    if (progress.total_steps) parts.push(`step ${progress.step} of ${progress.total_steps}`);
    parts.push(`${seconds(progress.elapsed_seconds + since)} so far`);
    const left = remaining(job, model, since);
    if (left !== null) parts.push(left < 1 ? "nearly done" : `about ${seconds(left)} left`);
  }
  return parts.join(" · ");
}

const age = (timestamp) => (Date.now() - new Date(timestamp)) / 1000;

// By earlier videos like it; without any, by the steps that are done.
function remaining(job, model, since) {
  const { request, progress } = job;
  const wish = { steps: request.num_inference_steps, frames: request.num_frames, width: request.width, quality: request.quality };
  const expected = model && models.duration(model, wish);
  const elapsed = progress.elapsed_seconds + since;
  if (expected && expected.seconds > elapsed * 0.8) return Math.max(0, expected.seconds - elapsed);
  if (progress.stage !== "denoise" || progress.step < 2) return null;
  return (progress.elapsed_seconds / progress.step) * (progress.total_steps - progress.step);
}

function drawStages(list, job) {
  const order = ENGINE.includes(job.progress.stage) && !WEIGHTS.includes(job.progress.stage) ? ENGINE : WEIGHTS;
  const at = order.indexOf(job.progress.stage);
  fill(list, order.map((stage, index) => {
    const state = index < at ? "done" : index === at ? "now" : "later";
    const item = h("li", { dataset: { state }, title: STAGES[stage] }, h("span", { class: "dot" }, state === "done" ? icon("done") : null), SHORT[stage]);
    if (state === "now") item.setAttribute("aria-current", "step");
    return item;
  }));
}
