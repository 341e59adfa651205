// What the request would take, beside its button: time, wait and price, as the server expects them.
//   create() → element   show(fields, signal)   read and show the estimate   clear()
import { json } from "./api.js";
import { h } from "./dom.js";
import { count, seconds } from "./words.js";

let line;

export function create() {
  line = h("p", { class: "soft", id: "estimate", "aria-live": "polite" });
  return line;
}

export function clear() {
  line.textContent = "";
}

export async function show(fields, signal) {
  const body = JSON.stringify(fields);
  const answer = await json("v1/jobs?dry_run=true", { method: "POST", signal, headers: { "Content-Type": "application/json" }, body });
  line.textContent = words(answer);
}

function words(estimate) {
  const parts = [];
  if (estimate.seconds !== null) parts.push(`about ${seconds(estimate.seconds)}${estimate.videos > 1 ? " each" : ""}`);
  if (estimate.queue_position > 0) parts.push(`${count(estimate.queue_position, "job")} before it`);
  if (estimate.wait_seconds >= 1) parts.push(`starts in about ${seconds(estimate.wait_seconds)}`);
  if (estimate.cost > 0) parts.push(`about ${money(estimate.cost, estimate.currency)}`);
  return parts.join(", ").replace(/^./, (first) => first.toUpperCase());
}

export function money(cost, currency) {
  return `${cost < 1 ? cost.toPrecision(2) : cost.toFixed(2)} ${currency}`;
}
