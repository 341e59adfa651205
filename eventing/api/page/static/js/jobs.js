// The jobs that the page knows: one store, fed by pages of the list and by the stream.
//   get(id)               a job, or undefined       find(id)   the same, fetched if the page does not know it
//   shown()               the jobs of the list under the present filter, newest first
//   subscribe(listener)   called with the id of a changed job, or with null if the list as a whole changed
//   filter({ search, status, model })   more()   reload()   state   merge(job)   remove(id)
import { json } from "./api.js";
import { announce } from "./announce.js";
import { STATUS, hasEnded } from "./words.js";

const PAGE = 24;
const known = new Map();
const listeners = new Set();
let order = []; // ids in the list under the present filter
let only = { search: "", status: "", model: "" };
let next = null; // cursor of the following page
let turn = 0; // of the latest reload: an older answer is dropped

export const state = { loading: true, more: false, problem: null, away: false };
export const get = (id) => known.get(id);
export const all = () => [...known.values()];
export const shown = () => order.map((id) => known.get(id)).filter(Boolean);
export const isFiltered = () => Boolean(only.search || only.status || only.model);

export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function publish(id) {
  for (const listener of listeners) listener(id);
}

export function filter(changes) {
  only = { ...only, ...changes };
  return reload();
}

export async function reload() {
  const mine = ++turn;
  state.loading = true;
  publish(null);
  await fetchPage(mine, null);
}

export async function more() {
  if (state.loading || !state.more) return;
  state.loading = true;
  await fetchPage(turn, next);
}

async function fetchPage(mine, after) {
  try {
    const page = await json(`v1/jobs?${query(after)}`);
    if (mine !== turn) return;
    for (const job of page.data) keep(job);
    const ids = page.data.map((job) => job.id);
    order = after ? [...order, ...ids.filter((id) => !order.includes(id))] : ids;
    next = page.next;
    Object.assign(state, { loading: false, more: page.has_more, problem: null });
  } catch (problem) {
    if (mine !== turn) return;
    Object.assign(state, { loading: false, problem });
  }
  publish(null);
}

function query(after) {
  const wishes = new URLSearchParams({ limit: PAGE });
  if (only.search) wishes.set("search", only.search);
  for (const status of only.status ? only.status.split(" ") : []) wishes.append("status", status);
  if (only.model) wishes.set("model", only.model);
  if (after) wishes.set("after", after);
  return wishes;
}

export async function find(id) {
  if (known.has(id)) return known.get(id);
  const job = await json(`v1/jobs/${encodeURIComponent(id)}`);
  keep(job);
  return job;
}

// Keep a job as it is now, from an answer or from the stream; an older state than the known one is dropped.
export function merge(job) {
  const before = known.get(job.id);
  if (!keep(job)) return;
  const isNew = !order.includes(job.id) && matches(job);
  if (isNew) place(job);
  if (before && before.status !== job.status) say(job);
  publish(isNew ? null : job.id);
}

function keep(job) {
  const before = known.get(job.id);
  if (before && before.updated_at > job.updated_at) return false;
  if (before?.status === "queued" && job.status === "queued") job.queue_position ??= before.queue_position; // a list has none
  known.set(job.id, job);
  return true;
}

function place(job) {
  const index = order.findIndex((id) => known.get(id)?.submitted_at < job.submitted_at);
  if (index >= 0) order.splice(index, 0, job.id);
  else if (!state.more) order.push(job.id); // else it is on a page that is not loaded yet
}

function matches(job) {
  const statuses = only.status ? only.status.split(" ") : [];
  return (!statuses.length || statuses.includes(job.status)) && (!only.model || only.model === job.model) &&
    job.request.prompt.toLowerCase().includes(only.search.toLowerCase());
}

// `id` is the job's id, or the one in the addresses of its files, which a job with an id of the caller's choice has.
export function remove(id) {
  const mine = known.has(id) ? id : all().find((job) => job.result?.manifest_uri.includes(`/jobs/${id}/`))?.id;
  if (!mine) return;
  known.delete(mine);
  order = order.filter((each) => each !== mine);
  publish(null);
}

export function setAway(away) {
  if (state.away === away) return;
  state.away = away;
  publish(null);
}

function say(job) {
  if (hasEnded(job)) announce(`${STATUS[job.status].text}: ${job.request.prompt}`);
  else if (job.status === "in_progress") announce(`Running: ${job.request.prompt}`);
}
