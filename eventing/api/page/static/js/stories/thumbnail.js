// A small picture of a finished scene: the poster of its video, else a frame of its clip.
//   key(story, at)       the same text for the same picture; "" while there is none
//   create(story, at)    → element, or null
import { h } from "../dom.js";
import * as steps from "./steps.js";
import * as store from "./store.js";

const AFTER_FADE = 0.6; // seconds; a title is not yet seen at its start

export function key(story, at) {
  return (steps.picture(story, at) ?? steps.clip(story, at))?.sha256 ?? "";
}

export async function create(story, at) {
  const file = steps.picture(story, at) ?? steps.clip(story, at);
  const url = file && (await store.file(file).catch(() => null));
  if (!url) return null;
  if (file.content_type.startsWith("image/")) return h("img", { src: url, alt: "" });
  return h("video", { src: `${url}#t=${AFTER_FADE}`, muted: true, playsInline: true, preload: "metadata", tabIndex: -1, "aria-hidden": "true" });
}
