// What can be done with a video.
//   bar(job, { onProblem, onPair }) → element
import { call, post } from "./api.js";
import { announce } from "./announce.js";
import { h, icon } from "./dom.js";
import * as draft from "./draft.js";
import { send } from "./form.js";
import * as jobs from "./jobs.js";
import * as media from "./media.js";
import * as models from "./models.js";
import { go, jobAddress } from "./router.js";
import { hasEnded } from "./words.js";

const VARIATIONS = 4;

export function bar(job, { onProblem, onPair }) {
  const button = (name, text, run, kind = "button", id = undefined) => {
    const element = h("button", { class: kind, type: "button", id }, icon(name), text);
    element.addEventListener("click", async () => {
      element.disabled = true;
      onProblem(null);
      try { await run(element); } catch (problem) { onProblem(problem); } finally { element.disabled = false; }
    });
    return element;
  };
  const again = (changes) => () => send(draft.again(job, models.get(job.model), changes));
  const isDone = job.status === "completed";
  return h("div", { class: "action-bar" }, h("div", { class: "actions" },
    !hasEnded(job) && button("stop", "Cancel", () => cancel(job), "button danger", "cancel"),
    isDone && button("download", "Download", () => media.download(job), "primary", "download"),
    hasEnded(job) && !isDone && button("again", "Try again", () => retry(job), "primary", "retry"),
    isDone && button("again", "Same again", again({}), "button", "same"),
    button("dice", "Another seed", again({ seed: undefined }), "button", "another"),
    button("four", "Four variations", again({ seed: undefined, n: VARIATIONS }), "button", "four"),
    ), h("div", { class: "actions" },
      isDone && button("pair", "Side by side", onPair, "quiet", "pair"),
      button("link", "Copy link", copy, "quiet", "copy"),
      button("back", "Edit in the form", () => edit(job), "quiet", "edit"),
      hasEnded(job) && button("bin", "Delete", (element) => remove(job, element), "quiet danger", "delete")));
}

async function cancel(job) {
  jobs.merge(await (await call(`v1/jobs/${job.id}`, { method: "DELETE" })).json());
}

async function retry(job) {
  jobs.merge(await post(`v1/jobs/${job.id}/retry`));
}

async function copy(button) {
  const address = new URL(jobAddress(button.closest("[data-job]").dataset.job), location.href).href;
  await navigator.clipboard.writeText(address);
  announce("The link is copied");
  flash(button, "Copied");
}

function flash(button, text) {
  const label = button.lastChild;
  const before = label.textContent;
  label.textContent = text;
  setTimeout(() => { label.textContent = before; }, 1500);
}

function edit(job) {
  draft.replace(draft.again(job, models.get(job.model)));
  document.getElementById("prompt").focus();
}

// The second click deletes; the first one asks.
async function remove(job, button) {
  if (!button.dataset.sure) {
    button.dataset.sure = "true";
    button.lastChild.textContent = "Really delete?";
    setTimeout(() => { delete button.dataset.sure; button.lastChild.textContent = "Delete"; }, 4000);
    return;
  }
  await call(`v1/videos/${job.id}`, { method: "DELETE" });
  jobs.remove(job.id);
  announce("The video is deleted");
  go("#/");
}
