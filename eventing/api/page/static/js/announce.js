// Say short sentences to screen readers, through one quiet live region: what changed, never each step.
import { $ } from "./dom.js";

let latest = "";

export function announce(text) {
  if (text === latest) return;
  latest = text;
  $("live").textContent = text;
}
