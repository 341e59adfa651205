// The story that the editor holds. It survives a reload; pictures that are too large for that are left out.
//   open(name, request)   → draft: the kept one of this name, else the request's; `name` is "new" or a story's id
//   draft.scenes, draft.film       draft.document()      draft.changes()     draft.isChanged()
//   draft.originOf(key)            the place of a scene in the story as it was sent; -1 for a new one
//   draft.isSceneChanged(key)      whether it differs from that      draft.isFilmChanged()   the same of the film's settings
//   draft.set(key, field, value)   of a scene            draft.setFilm(field, value)
//   draft.add(scene, at)   draft.remove(key) → its place    draft.move(key, by) → its new place, or null at an end
//   draft.duplicate(key) → the new key           draft.forget()            draft.subscribe(listener)
import { blank, changes, equal, fromDocument, newKey, sceneOf, toDocument } from "./document.js";

const PREFIX = "reelzero-story:";

export function open(name, request = null) {
  const base = request ?? { scenes: [] };
  const kept = read(name);
  const start = fromDocument(base);
  const origins = start.scenes.map((scene) => scene.key);
  const state = kept ? { ...fromDocument(kept.document), rest: start.rest } : start;
  if (kept) state.scenes.forEach((scene, at) => { scene.key = origins[kept.order?.[at]] ?? scene.key; scene.kind = kept.kinds?.[at] ?? scene.kind; });
  if (!request && !state.scenes.length) state.scenes = [blank()];
  return make(name, base, state, origins);
}

export function keep(name, request) {
  write(name, { document: request });
}

function make(name, base, state, origins) {
  const listeners = new Set();
  const sent = toDocument(fromDocument(base)).scenes ?? [];
  const at = (key) => state.scenes.findIndex((scene) => scene.key === key);
  const changed = (key = null, field = null) => {
    const { scenes } = state;
    write(name, { document: toDocument(state), order: scenes.map((scene) => origins.indexOf(scene.key)), kinds: scenes.map((scene) => scene.kind) });
    for (const listener of listeners) listener(key, field);
  };
  return {
    get scenes() { return state.scenes; },
    get film() { return state.film; },
    document: () => toDocument(state),
    changes: () => changes(base, state, origins),
    isChanged: () => !equal(toDocument(state), toDocument(fromDocument(base))),
    originOf: (key) => origins.indexOf(key),
    isFilmChanged: () => !equal(toDocument(state).film, toDocument(fromDocument(base)).film),
    isSceneChanged: (key) => !equal(sceneOf(state.scenes[at(key)]), sent[origins.indexOf(key)]),
    subscribe: (listener) => listeners.add(listener),
    forget: () => forget(name),
    set(key, field, value) { assign(state.scenes[at(key)], field, value); changed(key, field); },
    setFilm(field, value) { assign(state.film, field, value); changed("film", field); },
    add(scene = blank(), place = state.scenes.length) { state.scenes.splice(place, 0, scene); changed(); return scene.key; },
    duplicate(key) { return this.add({ ...state.scenes[at(key)], key: newKey() }, at(key) + 1); },
    remove(key) { const place = at(key); const [scene] = state.scenes.splice(place, 1); changed(); return { scene, place }; },
    move(key, by) {
      const [from, to] = [at(key), at(key) + by];
      if (to < 0 || to >= state.scenes.length) return null;
      state.scenes.splice(to, 0, ...state.scenes.splice(from, 1));
      changed();
      return to;
    },
  };
}

function assign(record, field, value) {
  const isEmpty = value === undefined || value === null || value === "" || Number.isNaN(value);
  if (isEmpty) delete record[field]; else record[field] = value;
}

function read(name) {
  try { return JSON.parse(localStorage.getItem(PREFIX + name)); } catch { return null; }
}

function write(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    try { localStorage.setItem(PREFIX + name, JSON.stringify(withoutPictures(value))); } catch { /* a browser may keep nothing */ }
  }
}

function withoutPictures({ document, ...rest }) {
  const scenes = (document.scenes ?? []).map(({ image, ...scene }) => (image?.startsWith("data:") ? scene : { ...scene, image }));
  return { ...rest, document: { ...document, scenes } };
}

function forget(name) {
  try { localStorage.removeItem(PREFIX + name); } catch { /* nothing was kept */ }
}
