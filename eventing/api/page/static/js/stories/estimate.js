// What the edited story would take, as the server expects it: checked while typing, with faults at their fields.
//   create({ look() → { document, open } | null, onProblem(problem) }) → { element, ask(), stop() }
//   `open` are the steps that would run, of those that the server names; null means all
import { money } from "../estimate.js";
import { h } from "../dom.js";
import { count, seconds } from "../words.js";
import * as store from "./store.js";

const SILENCE_MILLISECONDS = 500;

export function create({ look, onProblem }) {
  const element = h("p", { class: "soft", id: "story-estimate", "aria-live": "polite" });
  let timer = 0;
  let asking = null;
  const stop = () => { clearTimeout(timer); asking?.abort(); };
  const ask = () => { stop(); timer = setTimeout(run, SILENCE_MILLISECONDS); };
  async function run() {
    const wish = look();
    if (!wish) { element.textContent = ""; return; }
    asking = new AbortController();
    try {
      const answer = await store.estimate(light(wish.document), asking.signal);
      element.textContent = words(answer, wish.open);
      onProblem(null);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      element.textContent = "";
      if (problem.status === 422 || problem.status === 400) onProblem(problem);
    }
  }
  return { element, ask, stop };
}

// Pictures of this device are not sent for a check.
function light(document) {
  const scenes = document.scenes.map((scene) => (scene.image?.startsWith("data:") ? { ...scene, image: "data:," } : scene));
  return { ...document, scenes };
}

function words(answer, open) {
  const steps = (answer.steps ?? []).filter((step) => !open || open(step.name));
  const work = open ? steps.reduce((sum, step) => sum + (step.expected_seconds ?? 0), 0) : answer.expected_seconds;
  const parts = [count(steps.length, "step")];
  if (work) parts.push(`about ${seconds(work)}${open ? " of work" : ""}`);
  if (!open && answer.expected_cost > 0) parts.push(`about ${money(answer.expected_cost, answer.currency ?? "")}`.trim());
  return parts.join(", ").replace(/^./, (first) => first.toUpperCase());
}
