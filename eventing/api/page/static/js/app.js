// Start the page. Each part is a module with one purpose, and draws into one element of index.html:
//   #form      form.js     the new video: prompt.js, pictures.js, choices.js, more.js (models.js: what is served)
//   #detail    detail.js   one video: timeline.js, player.js, facts.js, deliveries.js, log.js, compare.js
//   #gallery   gallery.js  all videos: card.js
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
import { onRoute } from "./router.js";
import * as session from "./session.js";
import { follow } from "./stream.js";

let leave = null; // ends the operator's view

function show(route) {
  const operates = route.name === "operate";
  $("make").hidden = operates;
  $("operate").hidden = !operates;
  mark($("nav-make"), !operates);
  mark($("nav-operate"), operates);
  document.body.dataset.view = route.name;
  leave?.();
  leave = operates ? operate.mount($("operate")) : null;
  if (!leave) $("operate").replaceChildren();
  detail.show(route.id, route.other);
  if (!route.id) document.title = operates ? "Operate · reelzero" : "reelzero";
}

function mark(link, isHere) {
  if (isHere) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
}

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
  session.onChange(() => models.load());
  $("skip").addEventListener("click", (event) => { event.preventDefault(); $("prompt").focus(); });
  follow({
    onJob: jobs.merge,
    onDeleted: jobs.remove,
    onOpen: () => { jobs.setAway(false); connection(""); jobs.reload(); if (models.state.problem) models.load(); },
    onAway: () => { jobs.setAway(true); connection("Server away – trying again"); },
  });
}

start();
