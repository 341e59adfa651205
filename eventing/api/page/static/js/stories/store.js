// Stories on the server: read, sent, followed, and their files.
//   page(after)   get(id)   submit(document, key)   estimate(document)   revise(id, changes)   cancel(id)   retry(id)   remove(id)
//   result(id)              addresses of the film, its subtitles, its poster and its manifest
//   file(file)              an object URL of a step's file; one for each content, kept until the page is left
//   follow(id, { onStory(story), onAway() }) → stop     until the story has ended
import { call, json, post } from "../api.js";
import { read } from "../sse.js";
import { hasEnded } from "../words.js";

const SILENT_MILLISECONDS = 65_000; // the server sends a sign of life every 25 s
const PAUSES = [0.3, 1, 2, 4, 8, 15]; // seconds before each further try
const PAGE = 24;
const kept = new Map(); // sha256 → promise of an object URL

const path = (id, rest = "") => `v1/stories/${encodeURIComponent(id)}${rest}`;

export const page = (after) => json(`v1/stories?${new URLSearchParams({ limit: PAGE, ...(after ? { after } : {}) })}`);
export const get = (id) => json(path(id));
export const submit = (document, key) => post("v1/stories", document, { "Idempotency-Key": key });
export const estimate = (document, signal) =>
  json("v1/stories?dry_run=true", { method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(document) });
export const revise = (id, changes) => post(path(id, "/revise"), changes);
export const cancel = (id) => post(path(id, "/cancel"));
export const retry = (id) => post(path(id, "/retry"));
export const remove = (id) => call(path(id), { method: "DELETE" });
export const result = (id) => json(path(id, "/result"));

export function file({ url, sha256 }) {
  if (!kept.has(sha256)) {
    const promise = call(url.slice(url.indexOf("v1/"))).then((answer) => answer.blob()).then((blob) => URL.createObjectURL(blob));
    kept.set(sha256, promise);
    promise.catch(() => kept.delete(sha256));
  }
  return kept.get(sha256);
}

export function follow(id, listeners) {
  const controller = new AbortController();
  run(id, listeners, controller.signal);
  return () => controller.abort();
}

async function run(id, { onStory, onAway = () => {} }, signal) {
  let isOver = false;
  const onEvent = (name, story) => {
    if (signal.aborted || !story?.steps) return;
    isOver = hasEnded(story);
    tries = 0;
    onStory(story);
  };
  let tries = 0;
  while (!isOver && !signal.aborted) {
    try {
      await read(path(id, "/events"), { signal, silence: SILENT_MILLISECONDS, onEvent });
    } catch (problem) {
      if (problem.status === 404) return;
      if (!signal.aborted && tries > 0) onAway(problem);
    }
    if (!isOver) await new Promise((resolve) => { setTimeout(resolve, PAUSES[Math.min(tries++, PAUSES.length - 1)] * 1000); });
  }
}
