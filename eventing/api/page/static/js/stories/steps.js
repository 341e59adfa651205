// What the steps of a story say of its scenes. Pure functions.
//   ofScene(story, at)    → { speech, video, clip }: the steps of a scene of the short form, some of them undefined
//   stateOf(story, at)    → { status, text, icon, percent, reused }: of a scene as a whole
//   picture(story, at), clip(story, at), sound(story, at)   → the file of a scene that a browser can show; or null
//   files(story)          → { film, subtitles, poster } of the steps that no other one needs, as far as they are there
//   remaining(story)      → expected seconds of work until the end, if one step runs at a time; null if unknown
const WORDS = {
  waiting: { text: "Waiting", icon: "queued", status: "queued" }, queued: { text: "In the queue", icon: "queued", status: "queued" },
  running: { text: "Running", icon: "running", status: "in_progress" }, completed: { text: "Done", icon: "done", status: "completed" },
  failed: { text: "Failed", icon: "failed", status: "failed" }, cancelled: { text: "Cancelled", icon: "cancelled", status: "cancelled" },
  skipped: { text: "Not begun", icon: "cancelled", status: "cancelled" },
};
const ORDER = ["failed", "running", "queued", "cancelled", "skipped", "waiting"]; // the first that a step of the scene is in

export const words = (step) => WORDS[stateOfStep(step)];
export const named = (story, name) => story?.steps.find((step) => step.name === name);

export function files(story) {
  const needed = new Set((story?.steps ?? []).flatMap((step) => step.needs));
  const left = (story?.steps ?? []).filter((step) => !needed.has(step.name)).reverse().flatMap((step) => Object.values(step.outputs));
  const first = (media) => left.find((file) => file.content_type.startsWith(media));
  return { film: first("video/"), subtitles: first("text/vtt"), poster: first("image/") };
}

export function ofScene(story, at) {
  const number = at + 1;
  return { speech: named(story, `speech-${number}`), video: named(story, `video-${number}`), clip: named(story, `scene-${number}`) };
}

export function stateOf(story, at) {
  const steps = Object.values(ofScene(story, at)).filter(Boolean);
  if (!steps.length) return null;
  const states = steps.map(stateOfStep);
  const state = ORDER.find((each) => states.includes(each)) ?? "completed";
  const begun = state === "waiting" && states.includes("completed") ? "running" : state;
  return { ...WORDS[begun], percent: share(steps), reused: steps.every((step) => step.reused), error: steps.find((step) => step.error)?.error ?? null };
}

export function picture(story, at) {
  const { clip, video } = ofScene(story, at);
  return video?.outputs?.poster ?? clip?.outputs?.poster ?? null;
}

// The joined clips are lossless Matroska, which no browser plays.
export function clip(story, at) {
  const { clip: made, video } = ofScene(story, at);
  const files = [made?.outputs?.preview, video?.outputs?.video, made?.outputs?.clip];
  return files.find((file) => file && /^video\/(mp4|webm)$/.test(file.content_type)) ?? null;
}

export function sound(story, at) {
  const { clip: made, speech } = ofScene(story, at);
  return made?.outputs?.preview ? null : speech?.outputs?.speech ?? null;
}

export function remaining(story) {
  const open = story.steps.filter((step) => ["waiting", "running"].includes(step.state));
  if (!open.length || open.some((step) => step.expected_seconds == null)) return null;
  return open.reduce((sum, step) => sum + step.expected_seconds * (1 - (step.percent ?? 0) / 100), 0);
}

function stateOfStep(step) {
  return step.state === "running" && step.queued ? "queued" : step.state;
}

function share(steps) {
  const weight = (step) => step.expected_seconds || 1;
  const done = (step) => (step.state === "completed" ? 100 : step.percent ?? 0);
  const whole = steps.reduce((sum, step) => sum + weight(step), 0);
  return Math.floor(steps.reduce((sum, step) => sum + weight(step) * done(step), 0) / whole);
}
