// The facts of a video: what was asked for, what came out, where the time went, and its names in other systems.
//   settings(job)   times(job)   names(job)   → elements
import { h } from "./dom.js";
import { money } from "./estimate.js";
import * as models from "./models.js";
import { bytes, count, seconds, shortTitle, size } from "./words.js";

export function settings(job) {
  const { request, result } = job;
  const model = models.get(job.model);
  return list([
    ["Model", model ? shortTitle(model) : job.model],
    ["Size", size(request.width, request.height)],
    ["Length", `${request.num_frames} frames, ${(request.num_frames / request.fps).toFixed(1)} s at ${request.fps} a second`],
    ["Quality", `${request.quality}, ${count(request.num_inference_steps, "step")}`],
    ["Guidance", [request.guidance_scale, request.guidance_scale_2].filter((value) => value !== null).join(" and ")],
    ["Seed", String(request.seed)],
    ["Not in it", request.negative_prompt],
    ["Adapters", (request.loras ?? []).map((lora) => `${lora.name} (${lora.scale})`).join(", ")],
    ["First picture", request.image && `${size(request.image.source_width, request.image.source_height)}, ${request.image.fit}`],
    ["Last picture", request.last_image && size(request.last_image.source_width, request.last_image.source_height)],
    ["Sound", result?.sound && `${result.sound.rate} Hz, ${count(result.sound.channels, "channel")}`],
    ["File", result && bytes(result.video.bytes)],
    ["Mark of origin", result?.mark && `C2PA, signed by ${result.mark.signed_by}`],
    ["Reused from", result?.reused_from],
  ]);
}

const PARTS = [["encode_prompt", "Prompt"], ["denoise", "Draw"], ["engine", "Engine"], ["decode", "Decode"], ["encode_video", "Encode"], ["upload", "Store"]];

// One bar for the whole way, each part as wide as it took.
export function times(job) {
  const timings = job.result?.timings;
  const parts = [
    ["Queue", job.queue_seconds], ["Start", job.cold_start_seconds],
    ...(timings ? PARTS.map(([name, label]) => [label, timings[name]]) : []),
  ].filter(([, value]) => value > 0.005);
  if (!parts.length) return [];
  const whole = parts.reduce((sum, [, value]) => sum + value, 0);
  const bar = h("div", { class: "time-bar", "aria-hidden": "true" }, parts.map(([label, value], at) => {
    const piece = h("span", { dataset: { part: at % 8 }, title: `${label}: ${seconds(value)}` });
    piece.style.flexGrow = String(Math.max(value / whole, 0.004));
    return piece;
  }));
  return [bar, h("ul", { class: "time-legend" }, parts.map(([label, value], at) =>
    h("li", {}, h("span", { class: "swatch", dataset: { part: at % 8 } }), label, h("span", { class: "soft" }, seconds(value)))))];
}

export function names(job) {
  const time = (value) => value && new Date(value).toLocaleString();
  return list([
    ["Job", job.id, true],
    ["Group", job.group, true],
    ["Trace", job.trace_id, true],
    ["Attempts", String(job.attempts)],
    ["GPU-seconds", used(job.usage)],
    ["Cost", job.usage?.cost > 0 && money(job.usage.cost, job.usage.currency)],
    ["Lane", job.lane],
    ["Priority", job.priority ? String(job.priority) : ""],
    ["Webhook", job.callback_url],
    ["Submitted", time(job.submitted_at)],
    ["Ended", time(job.completed_at)],
    ["Kept until", time(job.expires_at)],
    ...Object.entries(job.metadata),
  ]);
}

function used(usage) {
  const { paid, ...parts } = usage?.gpu_seconds ?? { paid: 0 };
  return paid > 0 && `${paid.toFixed(1)} (${Object.entries(parts).filter(([, value]) => value >= 0.05).map(([name, value]) => `${name} ${value.toFixed(1)}`).join(", ")})`;
}

function list(rows) {
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false).map(([name, value, isCode]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, isCode ? h("code", {}, value) : value))));
}
