// What the jobs of all owners have used in a day and in a week, in the operator's view; the days as CSV.
//   create() → { element, look() }     `look` reads the figures, at most once a minute
import { call, json } from "./api.js";
import { h } from "./dom.js";
import { money } from "./estimate.js";
import { panel, redraw, table } from "./tables.js";
import { seconds } from "./words.js";

const EVERY_MILLISECONDS = 60_000;
const number = (text) => ({ text, number: true });
const HEADS = ["Period", "Since", ...["Videos", "Paid", "Used", "Starting", "Wasted", "Idle", "Cost"].map(number)];

export function create() {
  const figures = h("div", { class: "operate-cost" });
  const words = h("p", { role: "alert" });
  const button = h("button", { class: "button small", type: "button", id: "usage-csv" }, "30 days as CSV");
  button.addEventListener("click", () => save().catch((problem) => { words.textContent = problem.message; }));
  const state = { next: 0 };
  return { element: panel("GPU time", figures, words, button), look: () => look(state, figures, words) };
}

async function look(state, figures, words) {
  if (Date.now() < state.next) return;
  state.next = Date.now() + EVERY_MILLISECONDS;
  try {
    const [day, week] = await Promise.all([json("v1/usage?since=24h"), json("v1/usage?since=7d")]);
    words.textContent = "";
    redraw(figures, table("GPU time", HEADS, [row("A day", day), row("A week", week)]));
  } catch (problem) {
    words.textContent = problem.message;
  }
}

function row(name, { since, total, currency }) {
  const { paid, used, starting, wasted, idle } = total.gpu_seconds;
  const cost = total.cost === null ? "–" : money(total.cost, currency);
  return [name, h("time", {}, since), String(total.completed), ...[paid, used, starting, wasted, idle].map(seconds), cost];
}

// The key goes in a header, so a link would not do.
async function save() {
  const answer = await call("v1/usage?since=30d&by=day&by=owner&by=model&format=csv");
  const address = URL.createObjectURL(await answer.blob());
  h("a", { href: address, download: "usage.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
