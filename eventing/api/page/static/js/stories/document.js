// A story's document, as POST v1/stories takes it, and its scenes as the editor holds them. Pure functions.
//   fromDocument(request)       → { scenes: [{ key, kind, prompt, … }], film, rest }
//   toDocument(edited)          → the document; what is empty or as usual is left out
//   changes(before, edited)     → what POST v1/stories/ID/revise takes: only changed scenes where it can, else all
//   titleOf(request)            → a name for the story, from its words
const WORDS = { video: ["prompt", "image"], picture: ["image"], title: ["title"] };
const COMMON = ["narration", "seconds", "transition", "with"];
const USUAL = { transition: 0, subtitles: "file", template: "film" };
let keysMade = 0;

export const newKey = () => `scene-${++keysMade}`;
export const blank = (kind = "video") => ({ key: newKey(), kind });

export function fromDocument(request) {
  const { scenes = [], film = {}, ...rest } = request;
  return { scenes: scenes.map((scene) => ({ key: newKey(), kind: kindOf(scene), ...clean(scene) })), film: clean(film), rest: clean(rest) };
}

export function toDocument({ scenes, film, rest = {} }) {
  return clean({ ...rest, scenes: scenes.map(sceneOf), film: clean(film) });
}

// `before` is the document of the story, `origins` the keys of its scenes in their order. Scenes have numbers from 1;
// null takes one away, and numbers after the last add some. A new order is a whole document.
export function changes(before, edited, origins) {
  const after = toDocument(edited);
  const old = toDocument(fromDocument(before));
  const places = edited.scenes.map((scene) => origins.indexOf(scene.key));
  const kept = places.filter((place) => place >= 0);
  const isSameOrder = kept.every((place, at) => place === places[at] && (!at || place > kept[at - 1]));
  if (!isSameOrder) return after;
  const scenes = origins.flatMap((key, at) => (kept.includes(at) ? [] : [[String(at + 1), null]]));
  places.forEach((place, at) => {
    const number = place < 0 ? origins.length + 1 + at - kept.length : place + 1;
    if (!equal(after.scenes[at], old.scenes[place])) scenes.push([String(number), patch(old.scenes[place] ?? {}, after.scenes[at])]);
  });
  const film = patch(old.film ?? {}, after.film ?? {});
  return clean({ scenes: Object.fromEntries(scenes), film });
}

export function titleOf(request) {
  const scene = (request.scenes ?? [])[0] ?? {};
  const step = Object.values(request.steps ?? {})[0];
  return scene.title || scene.prompt || scene.narration || request.metadata?.title || (step && `A story of ${Object.keys(request.steps).length} steps`) || "A story of pictures";
}

export const equal = (one, other) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));

function kindOf(scene) {
  if (scene.title) return "title";
  return scene.image && !scene.prompt ? "picture" : "video";
}

export function sceneOf(scene) {
  const names = [...WORDS[scene.kind], ...COMMON];
  return clean(Object.fromEntries(names.map((name) => [name, scene[name]])));
}

// JSON Merge Patch: null takes a field away.
function patch(before, after) {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changed = [...names].filter((name) => !equal(before[name], after[name]));
  return Object.fromEntries(changed.map((name) => [name, after[name] ?? null]));
}

function clean(record) {
  return Object.fromEntries(Object.entries(record).filter(([name, value]) => !isEmpty(value) && USUAL[name] !== value));
}

function isEmpty(value) {
  if (value === null || value === undefined || value === "" || Number.isNaN(value)) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value ?? null;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, item]) => [name, sorted(item)]));
}
