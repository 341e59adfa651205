// Put states, times and sizes into words. Pure functions.
export const STATUS = {
  queued: { text: "Waiting", icon: "queued" }, in_progress: { text: "Running", icon: "running" },
  completed: { text: "Done", icon: "done" }, failed: { text: "Failed", icon: "failed" },
  cancelled: { text: "Cancelled", icon: "cancelled" },
};
export const STAGES = {
  queued: "Waiting in the queue", starting: "Starting a predictor", encode_prompt: "Reading the prompt",
  denoise: "Drawing the frames", decode: "Decoding the frames", encode_video: "Encoding the video", upload: "Storing the video",
  engine_queue: "Waiting at the engine", generate: "Making the video", download: "Fetching the video",
};
const WAITS = {
  model_unavailable: "the model's predictors do not start now", predictor_busy: "all predictors are busy",
  lease_lapsed: "its process went silent, so another one takes over",
};
export const ENDED = new Set(["completed", "failed", "cancelled"]);
export const hasEnded = (job) => ENDED.has(job.status);
export const waitReason = (code) => WAITS[code] ?? code.replaceAll("_", " ");

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 90) return `${Math.round(value)} s`;
  const minutes = Math.floor(value / 60);
  return minutes < 90 ? `${minutes} min ${Math.round(value % 60)} s` : `${(minutes / 60).toFixed(1)} h`;
}

export function ago(timestamp) {
  const passed = (Date.now() - new Date(timestamp)) / 1000;
  if (passed < 45) return "just now";
  if (passed < 3600) return `${Math.max(1, Math.round(passed / 60))} min ago`;
  if (passed < 86400) return `${Math.round(passed / 3600)} h ago`;
  return new Date(timestamp).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 1 << 20 ? `${(count / 1024).toFixed(0)} KB` : `${(count / (1 << 20)).toFixed(1)} MB`;
}

export const size = (width, height) => `${width} × ${height}`;
export const shortTitle = (model) => model.title.replace(/ \(.*/, "");
export const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
