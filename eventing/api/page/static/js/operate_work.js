// What waits, runs and has ended lately: figures, lanes with their owners, slots and predictors.
//   create(again) → { element, update(view) }     `again` reads the view once more, after "try now"
import { post } from "./api.js";
import { announce } from "./announce.js";
import { h, icon } from "./dom.js";
import { panel, redraw, table } from "./tables.js";
import { STAGES, ago, count, seconds } from "./words.js";

export function create(again) {
  const parts = Object.fromEntries(["figures", "paused", "lanes", "running", "machines", "recent"].map((name) => [name, h("div", { class: `operate-${name}` })]));
  const element = h("div", { class: "operate-work" },
    parts.figures, parts.paused, panel("Queues", parts.lanes), panel("Running", parts.running),
    panel("Slots and predictors", parts.machines), panel("The last 200 jobs", parts.recent));
  return { element, update: (view) => update(parts, view, again) };
}

function update(parts, view, again) {
  redraw(parts.figures, figures(view));
  redraw(parts.paused, view.lanes.filter((lane) => lane.paused).map((lane) => pause(lane, again)));
  redraw(parts.lanes, lanes(view.lanes));
  redraw(parts.running, running(view.running));
  redraw(parts.machines, machines(view));
  redraw(parts.recent, recent(view.recent));
}

const sum = (list, field) => list.reduce((total, each) => total + each[field], 0);
const none = (text) => h("p", { class: "soft" }, text);
const number = (text) => ({ text, number: true });

function figures(view) {
  const taken = sum(view.pools, "taken");
  const oldest = Math.max(0, ...view.lanes.map((lane) => lane.oldest_seconds ?? 0));
  const waiting = sum(view.lanes, "queued");
  const dead = view.deliveries_dead;
  return h("dl", { class: "figures" },
    figure("Waiting", waiting, waiting ? `oldest ${seconds(oldest)}` : "no job waits"),
    figure("Running", sum(view.lanes, "in_progress"), `${taken} of ${taken + sum(view.pools, "free")} slots`),
    figure("Predictors", ...predictors(view)),
    figure("Device time", seconds(sum(view.recent, "device_seconds")), "of the last 200 jobs"),
    figure("Dead deliveries", dead >= 1000 ? "1000+" : dead, `${view.deliveries_pending} to be sent`, dead ? "bad" : ""));
}

// How many are there, and how many of them work. Of those behind a gateway, those that have a job are known.
function predictors(view) {
  const working = sum(view.endpoints, "working") || view.predictors.filter((each) => each.state === "working").length;
  const number = view.predictors.length || sum(view.endpoints, "working") + sum(view.endpoints, "starting");
  return [number, number ? `${working} at work` : view.endpoints.length ? "none has a job" : "scaled to zero"];
}

function figure(name, value, words, state = "") {
  return h("div", { class: "panel figure", dataset: { state } }, h("dt", {}, name), h("dd", { class: "value" }, String(value)), h("dd", { class: "soft" }, words));
}

function pause(lane, again) {
  const { reason, failures, next_probe_at: next } = lane.paused;
  const button = h("button", { class: "button small", type: "button", id: `probe-${lane.model}-${lane.lane}` }, icon("again"), "Try now");
  const words = h("p", {}, h("strong", {}, `${lane.model} · ${lane.lane} is paused: `), reason);
  const box = h("div", {}, words, h("p", { class: "small-words" }, `${count(failures, "start")} failed in a row. It tries by itself at ${new Date(next).toLocaleTimeString()}.`));
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post(`v1/operate/models/${lane.model}/lanes/${lane.lane}/probe`);
      announce(`${lane.model} is tried now`);
      again();
    } catch (problem) {
      box.append(h("p", { role: "alert" }, problem.message));
    }
  });
  return h("div", { class: "notice wait pause" }, icon("pause"), box, button);
}

function lanes(all) {
  const busy = all.filter((lane) => lane.queued || lane.in_progress || lane.paused || !lane.unavailable);
  const idle = all.length - busy.length;
  const rows = busy.map((lane) => [h("strong", {}, lane.model), lane.lane, String(lane.queued), String(lane.in_progress), seconds(lane.oldest_seconds), owners(lane.owners), state(lane)]);
  return [
    busy.length > 0 && table("Queues by lane", ["Model", "Lane", number("Waiting"), number("Running"), number("Oldest waits"), "Owners", "State"], rows),
    idle > 0 && none(`${count(idle, "lane")} cannot run here and ${idle === 1 ? "has" : "have"} no job.`),
  ];
}

function owners(flows) {
  if (!flows.length) return "–";
  const words = (flow) => [flow.queued && `${flow.queued} waiting`, flow.in_progress && `${flow.in_progress} running`].filter(Boolean).join(", ");
  return h("ul", { class: "flows" }, flows.map((flow) => h("li", {}, h("strong", {}, flow.owner), ` ${words(flow)}`, flow.oldest_seconds !== null && h("span", { class: "soft" }, ` since ${seconds(flow.oldest_seconds)}`))));
}

function state(lane) {
  const badge = (status, text) => h("span", { class: "badge", dataset: { status }, title: lane.unavailable ?? "" }, text);
  if (lane.paused) return badge("queued", "Paused");
  return lane.unavailable ? badge("failed", "Cannot run here") : badge("completed", "Open");
}

function running(jobs) {
  if (!jobs.length) return none("Nothing runs.");
  const rows = jobs.map((job) => [h("code", {}, job.id), job.owner, `${job.model} · ${job.lane}`, STAGES[job.stage] ?? job.stage, `${job.percent} %`, String(job.attempt), seconds(job.seconds), h("code", {}, job.held_by ?? "–")]);
  return table("Running jobs", ["Job", "Owner", "Model", "Stage", number("Done"), number("Attempt"), number("For"), "Held by"], rows);
}

const STATES = { working: "in_progress", idle: "completed", starting: "queued", stopping: "queued" };

function machines(view) {
  const meters = view.pools.map((pool) => h("li", { class: "meter" },
    h("span", {}, pool.name), h("meter", { min: 0, max: pool.taken + pool.free, value: pool.taken, "aria-label": `Slots of ${pool.name}` }), h("span", { class: "soft" }, `${pool.taken} of ${pool.taken + pool.free} taken`)));
  const rows = view.predictors.map((each) => [each.name, each.model, h("span", { class: "badge", dataset: { status: STATES[each.state] } }, each.state)]);
  const empty = !rows.length && !view.endpoints.length && none("No predictor is started: the next job starts one.");
  return [h("ul", { class: "meters" }, meters), rows.length > 0 && table("Predictors", ["Predictor", "Model", "State"], rows), view.endpoints.length > 0 && services(view.endpoints), empty];
}

// Predictors behind a gateway, which starts and stops their pods: what their jobs tell of them.
function services(all) {
  const heads = ["Model", "Lane", "Address", number("Starting"), number("Working"), number("Slots taken"), "Last cold start", "State"];
  return table("Predictors behind their gateway", heads, all.map((each) => [
    h("strong", {}, each.model), each.lane, h("span", { class: "address" }, each.address || "–"), String(each.starting), String(each.working), `${each.taken} of ${each.taken + each.free}`,
    each.cold_start_at ? `${seconds(each.cold_start_seconds)}, ${ago(each.cold_start_at)}` : "–", h("span", { class: "badge", dataset: { status: STATES[each.state] } }, each.state)]));
}

function recent(rows) {
  if (!rows.length) return none("No job has ended yet.");
  const heads = ["Model", "Lane", number("Done"), number("Failed"), number("Cancelled"), number("Cold starts"), number("Median cold start"), number("Device time")];
  return table("The last 200 jobs by lane", heads, rows.map((each) => [
    h("strong", {}, each.model), each.lane, String(each.completed), h("span", { class: each.failed ? "bad-number" : "" }, String(each.failed)), String(each.cancelled), String(each.cold_starts), seconds(each.cold_start_seconds), seconds(each.device_seconds)]));
}
