// Previews of video steps that run: small pictures of the unfinished video, read with the key of the session.
//   watch(listener) → stop     called when one has changed
//   key(step)                  changes with the preview; "" without any
//   address(step)              an object URL of the latest one, or null
import * as jobs from "../jobs.js";
import * as media from "../media.js";

const latest = new Map(); // job id → { key, url }

export function watch(listener) {
  return jobs.subscribe((id) => { if (id) listener(id); });
}

export function key(step) {
  const job = step?.job_id && jobs.get(step.job_id);
  return job?.links.preview ? `${job.id} ${job.progress.preview_step}` : "";
}

export async function address(step) {
  if (!step?.job_id) return null;
  const job = await jobs.find(step.job_id).catch(() => null);
  if (!job?.links.preview) return null;
  const wanted = key(step);
  const before = latest.get(job.id);
  if (before?.key === wanted) return before.url;
  const url = await media.preview(job).catch(() => before?.url ?? null);
  if (before && before.url !== url) URL.revokeObjectURL(before.url);
  latest.set(job.id, { key: wanted, url });
  return url;
}
