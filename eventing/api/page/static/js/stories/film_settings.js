// What holds for the whole film: model, size, voice, music and subtitles.
//   create(draft) → { element, update(isFixed) }     each field has data-field, where its error is shown
import { json } from "../api.js";
import { fill, h } from "../dom.js";
import * as models from "../models.js";
import { shortTitle, size } from "../words.js";

const SUBTITLES = [["file", "Beside the film", "can be switched off"], ["burnt", "In the picture", "always seen"], ["none", "None", "only speech"]];
const VOICES = ["en-us", "en-gb", "de", "fr-fr", "es", "it", "pt-br", "nl", "pl", "hi", "cmn", "ja"];

export function create(draft) {
  const model = h("select", { id: "film-model" });
  const shape = h("select", { id: "film-size" });
  const voice = h("input", { id: "film-voice", placeholder: "en-us", autocomplete: "off", spellcheck: false, value: draft.film.voice ?? "" });
  const music = h("input", { id: "film-music", type: "url", placeholder: "https://… or s3://…", spellcheck: false, value: draft.film.music ?? "" });
  const voices = h("datalist", { id: "film-voices" }, VOICES.map((name) => h("option", { value: name })));
  voice.setAttribute("list", voices.id);
  model.addEventListener("change", () => { draft.setFilm("model", model.value); setSize(draft, ""); draw(); });
  shape.addEventListener("change", () => setSize(draft, shape.value));
  voice.addEventListener("input", () => draft.setFilm("voice", voice.value.trim()));
  music.addEventListener("input", () => draft.setFilm("music", music.value.trim()));
  const draw = () => { drawModels(model, draft); drawSizes(shape, draft); };
  models.subscribe(draw);
  draw();
  describeVoice(voice);
  const element = h("fieldset", { class: "film-settings", "aria-label": "The film" },
    field("model", "Model", model), field("width", "Size", shape),
    field("voice", "Voice", voice, "A voice of the narration, such as en-us or de.", voices), field("music", "Music", music, "Played under the speech."), subtitles(draft));
  return { element, update: (isFixed) => { element.disabled = isFixed; } };
}

function field(name, title, control, hint = "", more = null) {
  return h("div", { class: "field", dataset: { field: name } }, h("label", { class: "label", htmlFor: control.id }, title), control, hint && h("p", { class: "hint" }, hint), more);
}

function drawModels(select, draft) {
  const usual = models.byDefault();
  fill(select, h("option", { value: "" }, usual ? `${shortTitle(usual)} (as usual)` : "As usual"),
    models.state.data.filter((model) => model !== usual).map((model) => h("option", { value: model.id, disabled: Boolean(models.obstacle(model)) }, shortTitle(model))));
  select.value = draft.film.model && draft.film.model !== usual?.id ? draft.film.model : "";
}

function drawSizes(select, draft) {
  const model = models.get(draft.film.model) ?? models.byDefault();
  const { width, height } = draft.film;
  const now = width && height ? `${width}x${height}` : "";
  const known = (model?.sizes ?? []).map(([wide, high]) => `${wide}x${high}`);
  if (now && !known.includes(now)) known.push(now);
  fill(select, h("option", { value: "" }, model ? `${size(...model.sizes[0])} (as the model)` : "As the model"), known.map((value) => h("option", { value }, size(...value.split("x")))));
  select.value = now;
}

function setSize(draft, value) {
  const [width, height] = value.split("x").map(Number);
  draft.setFilm("width", value ? width : undefined);
  draft.setFilm("height", value ? height : undefined);
}

function subtitles(draft) {
  const group = h("div", { class: "segments", role: "radiogroup", "aria-label": "Subtitles" }, SUBTITLES.map(([value, text, note]) => {
    const input = h("input", { type: "radio", name: "subtitles", value, checked: (draft.film.subtitles ?? "file") === value });
    input.addEventListener("change", () => draft.setFilm("subtitles", value));
    return h("label", { class: "segment" }, input, h("span", {}, text), h("small", {}, note));
  }));
  return h("div", { class: "field", dataset: { field: "subtitles" } }, h("span", { class: "label" }, "Subtitles"), group);
}

// Another narrator than the one in the box has other voices: its schema says which.
async function describeVoice(input) {
  const types = await json("v1/step-types").catch(() => ({ data: [] }));
  const voice = types.data.find((type) => type.name === "narrate")?.parameters?.properties?.voice;
  if (voice?.default) input.placeholder = voice.default;
}
