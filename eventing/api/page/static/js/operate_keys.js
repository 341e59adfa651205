// The API keys: whose they are and what they may, never their secrets; and the limits that every owner has.
//   create() → { element, load() }
import { json } from "./api.js";
import { h, icon, fill } from "./dom.js";
import { panel, table } from "./tables.js";
import { ago } from "./words.js";

export function create() {
  const body = h("div", {});
  return { element: panel("Keys", body), load: () => load(body) };
}

async function load(body) {
  try {
    const keys = await json("v1/operate/keys");
    fill(body, keys.data.length ? table("Keys", ["Owner", "Key", "May operate", "Highest priority", "Made", "State"], keys.data.map(row)) : h("p", { class: "soft" }, "There is no key. reelzero keys create NAME makes one."), limits(keys));
  } catch (problem) {
    fill(body, h("div", { class: "notice bad" }, icon("failed"), h("p", {}, problem.message)));
  }
}

function row(key) {
  const state = h("span", { class: "badge", dataset: { status: key.revoked_at ? "failed" : "completed" } }, key.revoked_at ? `Revoked ${ago(key.revoked_at)}` : "Valid");
  return [h("strong", {}, key.owner), h("code", {}, key.id), key.may_operate ? "Yes" : "No", String(key.max_priority), ago(key.created_at), state];
}

function limits(keys) {
  const running = keys.owner_running === null ? "any number running" : `${keys.owner_running} running`;
  return h("p", { class: "soft" }, `Each owner may have ${keys.queue_quota} jobs waiting and ${running}, and submit ${keys.rate_per_minute} times a minute.`);
}
