// The events and webhooks that went out about a video, each with its tries; one that did not arrive can go again.
//   section(job) → element, which reads them when it is opened
import { json, post } from "./api.js";
import { h, icon, fill } from "./dom.js";
import { ago, count, seconds } from "./words.js";

export function section(job) {
  const body = h("div", { class: "deliveries" });
  const details = h("details", { class: "fold" }, h("summary", {}, icon("chevron"), "Deliveries"), body);
  details.addEventListener("toggle", () => { if (details.open) load(job.id, body); });
  return details;
}

async function load(id, body) {
  fill(body, h("p", { class: "soft" }, "Reading …"));
  try {
    const { data } = await json(`v1/jobs/${id}/deliveries`);
    fill(body, data.length ? h("ul", {}, data.map((message) => row(id, message, body))) : h("p", { class: "soft" }, "Nothing was sent about this video: there is no sink and no webhook."));
  } catch (problem) {
    fill(body, h("div", { class: "notice bad" }, icon("failed"), h("p", {}, problem.message)));
  }
}

const STATES = { delivered: "completed", pending: "queued", dead: "failed" };

function row(id, message, body) {
  const state = h("span", { class: "badge", dataset: { status: STATES[message.status] ?? "" } }, message.status);
  const tries = (message.log ?? []).map((each) => h("li", { class: "soft" },
    `${ago(each.at * 1000)}: ${each.http_status ?? (each.error ? "no answer" : "arrived")} after ${seconds(each.seconds)}${each.error ? `, ${each.error}` : ""}`));
  const head = h("div", { class: "delivery-head" }, h("strong", {}, message.event_type.replace(/^.*\.(\w+)\.v\d+$/, "$1")), h("span", { class: "soft" }, message.target ?? message.destination), state);
  if (message.status !== "pending") head.append(replay(id, message, body));
  return h("li", { class: "delivery" }, head, tries.length > 0 && h("details", {}, h("summary", { class: "soft" }, count(tries.length, "try").replace("trys", "tries")), h("ul", {}, tries)));
}

function replay(id, message, body) {
  const button = h("button", { class: "button small", type: "button" }, icon("again"), "Send again");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post(`v1/jobs/${id}/deliveries/${message.id}/replay`);
      load(id, body);
    } catch (problem) {
      button.after(h("p", { class: "wrong", role: "alert" }, problem.message));
      button.disabled = false;
    }
  });
  return button;
}
