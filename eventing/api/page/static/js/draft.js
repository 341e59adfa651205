// The request that the form holds. It survives a reload, except its pictures and its webhook.
//   fields          what is set: {prompt: …, model: …}; what is absent is the model's default
//   files           pictures by field        set(name, value)   setFile(name, file)   replace(fields)
//   body()          what POST v1/jobs takes: JSON, or a form if there are pictures
//   again(job, …)   the request that made a job, as fields
//   subscribe(listener)   called with the name of the changed field; null if all changed
const KEY = "reelzero-draft";
const UNKEPT = new Set(["callback_url", "image", "last_image"]);
const listeners = new Set();
export const files = {};
export let fields = restore();

export const subscribe = (listener) => listeners.add(listener);

export function set(name, value) {
  const isEmpty = value === undefined || value === null || value === "" || Number.isNaN(value);
  if (isEmpty) delete fields[name]; else fields[name] = value;
  publish(name);
}

export function setFile(name, file) {
  if (file) files[name] = file; else delete files[name];
  publish(name);
}

export function replace(request) {
  fields = { ...request };
  for (const name of Object.keys(files)) delete files[name];
  publish(null);
}

// Keep the words and drop what another model may not have.
export function changeModel(id) {
  const { prompt, negative_prompt, n, seed, quality } = fields;
  replaceKeepingFiles({ prompt, negative_prompt, n, seed, quality, model: id });
}

function replaceKeepingFiles(request) {
  fields = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  publish(null);
}

export function body(request = fields, pictures = files) {
  if (!Object.keys(pictures).length) return request;
  const form = new FormData();
  for (const [name, value] of Object.entries(request)) append(form, name, value);
  for (const [name, file] of Object.entries(pictures)) form.append(name, file);
  return form;
}

function append(form, name, value) {
  if (name === "metadata") for (const [key, text] of Object.entries(value)) form.append(`metadata[${key}]`, text);
  else form.append(name, typeof value === "object" ? JSON.stringify(value) : value);
}

export function again(job, model, changes = {}) {
  const { request } = job;
  const tier = model?.quality[request.quality];
  const ofTier = new Set((tier?.loras ?? []).map((lora) => lora.name));
  const loras = (request.loras ?? []).filter((lora) => !ofTier.has(lora.name));
  const wish = {
    prompt: request.prompt, model: job.model, width: request.width, height: request.height, num_frames: request.num_frames,
    fps: request.fps, seed: request.seed, quality: request.quality,
    negative_prompt: request.negative_prompt === (model?.negative_prompt ?? "") ? undefined : request.negative_prompt,
    num_inference_steps: differs(request.num_inference_steps, tier?.steps), guidance_scale: differs(request.guidance_scale, tier?.guidance),
    guidance_scale_2: differs(request.guidance_scale_2, tier?.guidance_2), loras: loras.length ? loras : undefined,
    strength: request.strength, generate_audio: request.generate_audio, image: request.image?.uri, last_image: request.last_image?.uri,
    image_fit: request.image?.fit, metadata: Object.keys(job.metadata).length ? job.metadata : undefined, ...changes,
  };
  return Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined && value !== null));
}

const differs = (value, usual) => (value === usual ? undefined : value);

function publish(name) {
  const kept = Object.fromEntries(Object.entries(fields).filter(([key]) => !UNKEPT.has(key)));
  try { localStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* a browser may keep nothing */ }
  for (const listener of listeners) listener(name);
}

function restore() {
  try { return JSON.parse(localStorage.getItem(KEY)) ?? {}; } catch { return {}; }
}
