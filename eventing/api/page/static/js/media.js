// The files of a finished video: their addresses and their download.
//   address(job, variant)   a presigned address; kept until shortly before it expires
//   download(job)           save the MP4 under its name (the server says Content-Disposition: attachment)
//   preview(job)            an object URL of the unfinished video's latest picture; the caller revokes it
//   grid(result)            columns, rows and number of the pictures on the sprite sheet
import { call, json } from "./api.js";

const kept = new Map(); // "id variant" → { promise, until }

export function address(job, variant = "video") {
  const key = `${job.id} ${variant}`;
  const entry = kept.get(key);
  if (entry && entry.until > Date.now()) return entry.promise;
  const promise = json(`v1/jobs/${job.id}/result?variant=${variant}`).then((view) => {
    kept.set(key, { promise, until: Date.now() + (view.expires_in_seconds - 60) * 1000 });
    return view.url;
  });
  kept.set(key, { promise, until: Date.now() + 60_000 });
  promise.catch(() => kept.delete(key));
  return promise;
}

export async function download(job, variant = "video") {
  const { url } = await json(`v1/jobs/${job.id}/result?variant=${variant}&download=true`);
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}

export async function preview(job) {
  return URL.createObjectURL(await (await call(`v1/jobs/${job.id}/preview`)).blob());
}

export function grid(result) {
  const number = Math.min(16, result.num_frames);
  const columns = Math.ceil(Math.sqrt(number));
  return { number, columns, rows: Math.ceil(number / columns) };
}
