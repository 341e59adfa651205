// The log of a video, attempt by attempt, where this server keeps it: one that runs on one machine.
//   section(job) → element, or false where there is none; it reads the lines when it is opened
import { json } from "./api.js";
import { h, icon, fill } from "./dom.js";
import { count } from "./words.js";

export function section(job) {
  if (!job.links.log) return false;
  const body = h("div", { class: "log" });
  const details = h("details", { class: "fold", id: "log" }, h("summary", {}, icon("chevron"), "Log"), body);
  details.addEventListener("toggle", () => { if (details.open) load(job.id, body); });
  return details;
}

async function load(id, body) {
  fill(body, h("p", { class: "soft" }, "Reading …"));
  try {
    const { data } = await json(`v1/jobs/${id}/log`);
    const again = h("button", { class: "button small", type: "button", onclick: () => load(id, body) }, icon("again"), "Read again");
    fill(body, data.length ? parts(data) : h("p", { class: "soft" }, "The logs do not name this video, or no longer."), again);
  } catch (problem) {
    fill(body, h("div", { class: "notice bad" }, icon("failed"), h("p", {}, problem.message)));
  }
}

function parts(lines) {
  const attempts = [...new Set(lines.map((line) => line.attempt))];
  return attempts.map((attempt) => {
    const mine = lines.filter((line) => line.attempt === attempt);
    const title = attempt ? `Attempt ${attempt}` : "Before the first attempt";
    return h("section", {}, h("h4", {}, title, h("span", { class: "soft" }, count(mine.length, "line"))), h("ol", {}, mine.map(row)));
  });
}

function row(line) {
  const { exception, ...rest } = line.details;
  const details = Object.entries(rest).map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  return h("li", { class: "log-line", dataset: { level: line.level } },
    h("time", { dateTime: line.at, title: line.at }, clock(line.at)), h("span", { class: "log-source" }, line.source),
    h("div", {}, h("strong", {}, line.message), details.length > 0 && h("span", { class: "log-details" }, details.join("  ")), exception && h("pre", { tabIndex: 0 }, exception)));
}

const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false }) + `.${at.slice(20, 23)}`;
