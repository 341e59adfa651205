// The files of a finished story: the film, its subtitles, its poster and its manifest, each to be saved.
//   create(onProblem) → { element, update(story) }
import { fill, h, icon } from "../dom.js";
import { bytes } from "../words.js";
import * as steps from "./steps.js";
import * as store from "./store.js";

const KINDS = [["film", "Film", "mp4", "primary"], ["subtitles", "Subtitles", "vtt", "button"], ["poster", "Poster", "jpg", "button"], ["manifest", "Manifest", "json", "button"]];

export function create(onProblem) {
  const element = h("div", { class: "actions story-files" });
  let shown = "";
  return { element, async update(story) {
    const key = story.status === "completed" ? story.id : "";
    element.hidden = !key;
    if (key === shown) return;
    shown = key;
    if (!key) return;
    fill(element, KINDS.map((kind) => button(story, kind, onProblem)));
  } };
}

function button(story, [name, text, ending, look], onProblem) {
  const file = steps.files(story)[name];
  if (!file && name !== "manifest") return null;
  const note = file ? h("span", { class: "hint" }, bytes(file.bytes)) : null;
  const element = h("button", { class: `${look} small`, type: "button", id: `save-${name}` }, icon("download"), text, note ?? "");
  element.addEventListener("click", () => save(story, name, ending).catch(onProblem));
  return element;
}

// The bytes come by this server, since an address in a link carries no key. The manifest is shown beside the page.
async function save(story, name, ending) {
  const file = steps.files(story)[name];
  const url = file ? await store.file(file) : (await store.result(story.id))[name]?.url;
  if (!url) throw new Error(`The ${name} is not there yet. Try again in a moment.`);
  const link = h("a", file ? { href: url, download: `${story.id}.${ending}` } : { href: url, target: "_blank", rel: "noopener" });
  document.body.append(link);
  link.click();
  link.remove();
}
