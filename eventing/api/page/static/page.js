// The page's only script: submit a job, follow its events, play the result. No state but the API key.
"use strict";
const $ = (id) => document.getElementById(id);
const STAGES = {
  queued: "Waiting in the queue", starting: "Starting a predictor", encode_prompt: "Reading the prompt",
  denoise: "Denoising", decode: "Decoding frames", encode_video: "Encoding the video", upload: "Uploading",
  engine_queue: "Waiting at the engine", generate: "Making the video", download: "Fetching the video",
};
let following = null; // AbortController of the stream that is shown
let shown = null; // id of the job that is shown
let seen = null; // attempt and step of the preview that is shown

async function call(path, options = {}) {
  const key = localStorage.getItem("reelzero-key");
  const headers = { ...(options.headers || {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) $("keybox").hidden = false;
  if (!answer.ok) throw new Error(await reason(answer));
  return answer;
}

async function reason(answer) {
  try { return (await answer.json()).detail || answer.statusText; } catch { return `${answer.status} ${answer.statusText}`; }
}

function problem(text) {
  $("problem").textContent = text || "";
  $("problem").hidden = !text;
}

// Why no lane of a model can start, such as missing weights; undefined if one can.
function obstacle(model) {
  return model.lanes.every((lane) => lane in model.unavailable) ? model.unavailable[model.lanes[0]] : undefined;
}

function label(model) {
  return model.title.replace(/ \(.*/, "") + (obstacle(model) ? " (cannot run now)" : "");
}

async function loadModels() {
  const { data } = await (await call("v1/models")).json();
  $("model").replaceChildren(...data.map((model) => new Option(label(model), model.id, model.default, model.default)));
  const about = () => {
    const model = data.find((entry) => entry.id === $("model").value);
    const { default: frames } = model.frames;
    $("about").textContent = `${model.sizes[0].join("×")}, ${frames} frames, ${model.fps} per second` +
      (obstacle(model) ? ` · cannot run now: ${obstacle(model)}` : "");
    pictures.offer(model.inputs);
  };
  $("model").onchange = about;
  about();
}

async function loadJobs() {
  const { data } = await (await call("v1/jobs?limit=10")).json();
  $("none").hidden = data.length > 0;
  $("jobs").replaceChildren(...data.map((job) => {
    const button = document.createElement("button");
    for (const text of [job.request.prompt, job.status.replace("_", " ")]) {
      const span = document.createElement("span");
      span.textContent = text;
      button.append(span);
    }
    button.onclick = () => follow(job.id);
    const item = document.createElement("li");
    item.append(button);
    return item;
  }));
}

async function follow(id) {
  if (following) following.abort();
  following = new AbortController();
  shown = id;
  $("current").hidden = false;
  $("video").hidden = true;
  preview(null);
  seen = null;
  $("notes").textContent = "";
  $("links").replaceChildren();
  $("cancel").hidden = false;
  show({ stage: "queued", percent: 0 });
  const answer = await call(`v1/jobs/${id}/events`, { signal: following.signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) record(part);
  }
}

function record(text) {
  const event = /^event: (.*)$/m.exec(text);
  const data = /^data: (.*)$/m.exec(text);
  if (!event || !data) return;
  const body = JSON.parse(data[1]);
  if (event[1] === "progress") { show(body); look(body); } else ended(body);
}

function show(progress) {
  $("stage").textContent = STAGES[progress.stage] || progress.stage;
  $("bar").value = progress.percent;
  const parts = [];
  if (progress.total_steps) parts.push(`step ${progress.step} of ${progress.total_steps}`);
  if (progress.elapsed_seconds) parts.push(`${progress.elapsed_seconds.toFixed(1)} s`);
  if (progress.queue_position) parts.push(`${progress.queue_position} ahead`);
  if (progress.waiting_for) parts.push(`waiting: ${progress.waiting_for.replaceAll("_", " ")}`);
  $("detail").textContent = parts.join(" · ");
}

// Show the preview of an unfinished video. It is fetched with the key, which an address in the page could not carry.
async function look(progress) {
  if (!progress.preview || `${progress.attempt}.${progress.preview_step}` === seen) return;
  seen = `${progress.attempt}.${progress.preview_step}`;
  try {
    const picture = await (await call(`v1/jobs/${progress.id}/preview`)).blob();
    if (shown === progress.id && !$("cancel").hidden) preview(picture);
  } catch {} // it may have ended meanwhile
}

function preview(picture) {
  URL.revokeObjectURL($("preview").src);
  $("preview").hidden = !picture;
  if (picture) $("preview").src = URL.createObjectURL(picture); else $("preview").removeAttribute("src");
}

async function ended(job) {
  $("cancel").hidden = true;
  preview(null);
  $("notes").textContent = ""; // the result has all of them
  $("bar").value = job.percent;
  loadJobs().catch((error) => problem(error.message));
  if (job.status !== "completed") {
    $("stage").textContent = job.status === "cancelled" ? "Cancelled" : "Failed";
    $("detail").textContent = job.error ? job.error.message : "";
    return;
  }
  $("stage").textContent = job.request.prompt;
  const { result } = job;
  const warnings = result.warnings.map((warning) => ` · ${warning}`).join("");
  $("detail").textContent = `${result.width}×${result.height}, ${result.num_frames} frames, seed ${result.seed}, ` +
    `${result.timings.total.toFixed(1)} s${warnings}`;
  const { url } = await (await call(`v1/jobs/${job.id}/result`, { headers: { Accept: "application/json" } })).json();
  $("video").src = url;
  $("video").hidden = false;
  $("video").play().catch(() => {}); // a browser may want a click first; the controls are there
  const link = document.createElement("a");
  link.href = url;
  link.textContent = "Download MP4";
  $("links").replaceChildren(link);
}

$("form").onsubmit = async (event) => {
  event.preventDefault();
  problem("");
  if ($("key").value) localStorage.setItem("reelzero-key", $("key").value);
  const body = { prompt: $("prompt").value, model: $("model").value || undefined, quality: $("quality").value };
  if ($("seed").value !== "") body.seed = Number($("seed").value);
  $("go").disabled = true;
  try {
    if (!$("model").value) await loadModels();
    const form = pictures.body(body);
    const answer = await call("v1/jobs", form ? { method: "POST", body: form } : {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const job = await answer.json();
    loadJobs().catch(() => {});
    follow(job.id).catch(lost);
    $("notes").textContent = job.warnings.join(" · ");
  } catch (error) {
    problem(error.message);
  } finally {
    $("go").disabled = false;
  }
};

$("cancel").onclick = () => call(`v1/jobs/${shown}`, { method: "DELETE" }).catch((error) => problem(error.message));

function lost(error) {
  if (error.name !== "AbortError") problem(`The connection was lost: ${error.message}`);
}

loadModels().catch((error) => problem(error.message));
loadJobs().catch(() => {});
