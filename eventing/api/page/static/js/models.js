// What is served: GET v1/models and the fields of a request from the OpenAPI document.
//   load()   state = { data, fields, problem }   get(id)   byDefault()   subscribe(listener)
//   obstacle(model)       why it cannot run here; undefined if it can
//   duration(model, wish) expected seconds of a video: { seconds, from }, from earlier videos or the catalog; or null
//   coldStart(model)      expected seconds of a start from zero, likewise
import { json } from "./api.js";
import * as jobs from "./jobs.js";

const listeners = new Set();
export const state = { data: [], fields: {}, problem: null };
export const get = (id) => state.data.find((model) => model.id === id);
export const byDefault = () => state.data.find((model) => model.default) ?? state.data[0];
export const subscribe = (listener) => listeners.add(listener);

export async function load() {
  try {
    const [models, api] = await Promise.all([json("v1/models"), json("openapi.json")]);
    state.data = models.data;
    state.fields = api.components.schemas.JobRequest.properties;
    state.problem = null;
  } catch (problem) {
    state.problem = problem;
  }
  for (const listener of listeners) listener();
}

export function obstacle(model) {
  return model.lanes.every((lane) => lane in model.unavailable) ? model.unavailable[model.lanes[0]] : undefined;
}

// What a model needs, in a few words.
export function needs(model) {
  if (!model.gpus) return model.memory_gib ? `CPU · ${model.memory_gib} GiB memory` : "CPU";
  const gpus = model.gpus === 1 ? "1 GPU" : `${model.gpus} GPUs`;
  return model.gpu_memory_gib ? `${gpus} · ${model.gpu_memory_gib} GiB` : gpus;
}

export function duration(model, wish) {
  const same = (job) => job.model === model.id && job.result?.timings && !job.result.reused_from &&
    job.request.num_inference_steps === wish.steps && job.request.num_frames === wish.frames && job.request.width === wish.width;
  const earlier = jobs.all().filter(same).slice(-9).map((job) => job.result.timings.total);
  if (earlier.length) return { seconds: median(earlier), from: "earlier videos like it" };
  const published = wish.quality && model.quality[wish.quality]?.expected_seconds;
  return published ? { seconds: published, from: "the catalog" } : null;
}

export function coldStart(model) {
  const starts = jobs.all().filter((job) => job.model === model.id && job.cold_start_seconds > 1).slice(-9);
  if (starts.length) return { seconds: median(starts.map((job) => job.cold_start_seconds)), from: "earlier starts" };
  return { seconds: model.budget.cold_start_seconds, from: "at most, by the catalog", isLimit: true };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
