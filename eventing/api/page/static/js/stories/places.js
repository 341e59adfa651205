// Where in the editor a fault belongs, by the path that the server names. Pure.
//   place("scenes[1].narration")           → { scene: 1, field: "narration" }
//   place("steps.video-2.with.prompt")     → { scene: 1, field: "prompt" }      steps of the short form
//   place("scenes.2.narration")            → { scene: 1, field: "narration" }      of a change, numbered from 1
//   place("film.model")                    → { scene: null, field: "model" }
//   place(anything else)                   → null
const OF_SCENE = /^scenes\[(\d+)\](?:\.(\w+))?/;
const OF_CHANGE = /^scenes\.(\d+)(?:\.(\w+))?/;
const OF_STEP = /^steps\.(speech|video|scene)-(\d+)(?:\.(?:with|inputs))?(?:\.(\w+))?/;
const OF_TRANSITION = /^steps\.film\.with\.transitions\[(\d+)\]/;
const OF_CLIP = /^steps\.film\.inputs\.clips\[(\d+)\]/;
const OF_FILM = /^(?:steps\.film\.(?:with|inputs)|film)\.(\w+)/;
const OF_WHOLE_FILM = new Set(["model", "width", "height", "fps", "voice", "music", "subtitles"]);
const NAMES = { speech: { text: "narration" }, scene: { text: "title", clip: "prompt", speech: "narration" } };
const FIRST = { speech: "narration", video: "prompt", scene: "seconds" };

export function place(path) {
  if (!path) return null;
  const named = OF_SCENE.exec(path);
  if (named) return { scene: Number(named[1]), field: named[2] ?? null };
  const changed = OF_CHANGE.exec(path);
  if (changed) return { scene: Number(changed[1]) - 1, field: changed[2] ?? null };
  const joined = OF_TRANSITION.exec(path) ?? OF_CLIP.exec(path);
  if (joined) return { scene: Number(joined[1]), field: path.includes("transitions") ? "transition" : null };
  const step = OF_STEP.exec(path);
  if (step) return ofStep(step[1], Number(step[2]) - 1, step[3]);
  const film = OF_FILM.exec(path);
  return film ? { scene: null, field: film[1] } : null;
}

function ofStep(kind, scene, name) {
  const field = NAMES[kind]?.[name] ?? name ?? FIRST[kind];
  return OF_WHOLE_FILM.has(field) ? { scene: null, field } : { scene, field };
}
