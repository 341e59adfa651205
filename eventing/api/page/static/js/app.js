// Start the page. Each part is a module with one purpose, and draws into one element of index.html:
//   #form      form.js     the new video: prompt.js, pictures.js, choices.js, more.js (models.js: what is served)
//   #detail    detail.js   one video: timeline.js, player.js, facts.js, deliveries.js, log.js, compare.js
//   #gallery   gallery.js  all videos: card.js
//   #stories   stories/   list.js: all stories; editor.js: one, by its scenes
//   #operate   operate.js  the operator's view (an interface of its own, see there)
//   #session   session.js  sign in and out      codes.js  a request as code
// jobs.js is the store of jobs; stream.js feeds it; router.js reads the address; api.js calls the server.
import { $ } from "./dom.js";
import * as detail from "./detail.js";
import * as form from "./form.js";
import * as gallery from "./gallery.js";
import * as jobs from "./jobs.js";
import * as models from "./models.js";
import * as operate from "./operate.js";
import { onRoute, route } from "./router.js";
import * as session from "./session.js";
import * as storyEditor from "./stories/editor.js";
import * as storyList from "./stories/list.js";
import { follow } from "./stream.js";

const VIEWS = { operate: ["operate", operate.mount], stories: ["stories", storyList.mount], story: ["stories", storyEditor.mount] };
const TITLES = { operate: "Operate · reelzero", stories: "Stories · reelzero", story: "Story · reelzero" };
let leave = null; // ends the view that is shown instead of the videos

function show(to) {
  const [place, mount] = VIEWS[to.name] ?? ["make"];
  const isFirst = !document.body.dataset.view;
  leave?.();
  leave = null;
  for (const id of ["make", "stories", "operate"]) {
    $(id).hidden = id !== place;
    mark($(`nav-${id}`), id === place);
  }
  $("skip").textContent = place === "make" ? "Skip to the prompt" : "Skip to the content";
  document.body.dataset.view = to.name;
  document.title = TITLES[to.name] ?? "reelzero";
  detail.show(place === "make" ? to.id : null, to.other);
  if (place === "make") return;
  $(place).replaceChildren();
  leave = mount($(place), to.id);
  if (isFirst) return;
  scrollTo(0, 0);
  if (document.activeElement === document.body) $(place).focus({ preventScroll: true }); // what had it is gone
}

function mark(link, isHere) {
  if (isHere) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
}

const content = () => ($("make").hidden ? $("main").querySelector(":scope > :not([hidden])") : $("prompt"));

function connection(text) {
  $("connection").hidden = !text;
  if ($("connection").textContent !== text) $("connection").textContent = text;
}

function start() {
  session.mount($("session"));
  form.mount($("form"));
  gallery.mount($("gallery"));
  detail.mount($("detail"));
  onRoute(show);
  models.load();
  session.onChange(() => { models.load(); if (leave) show(route()); });
  $("skip").addEventListener("click", (event) => { event.preventDefault(); content().focus(); });
  follow({
    onJob: jobs.merge,
    onDeleted: jobs.remove,
    onOpen: () => { jobs.setAway(false); connection(""); jobs.reload(); if (models.state.problem) models.load(); },
    onAway: () => { jobs.setAway(true); connection("Server away – trying again"); },
  });
}

start();
