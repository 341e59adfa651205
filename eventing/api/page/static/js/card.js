// One video in the gallery: its poster, which shows its frames under the pointer, its prompt and its state.
//   create(job)   update(element, job)
import { h, icon, fill } from "./dom.js";
import * as media from "./media.js";
import { route, jobAddress } from "./router.js";
import { STAGES, STATUS, ago, hasEnded } from "./words.js";

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); load(entry.target); }
}, { rootMargin: "300px" });
const jobsOf = new WeakMap();

export function create(job) {
  const poster = h("div", { class: "poster" });
  const link = h("a", { class: "card-link", href: jobAddress(job.id) }, poster, h("span", { class: "card-text" }));
  const item = h("li", { class: "tile", dataset: { id: job.id } }, link);
  poster.addEventListener("pointermove", (event) => scrub(item, event));
  poster.addEventListener("pointerleave", () => scrub(item, null));
  update(item, job);
  return item;
}

export function update(item, job) {
  const before = jobsOf.get(item);
  jobsOf.set(item, job);
  if (route().id === job.id) item.dataset.current = "true"; else delete item.dataset.current;
  if (before && before.status === job.status && before.updated_at === job.updated_at) return;
  item.dataset.status = job.status;
  fill(item.querySelector(".card-text"),
    h("span", { class: "card-prompt" }, job.request.prompt),
    h("span", { class: "card-meta" }, badge(job), h("time", { class: "soft", dateTime: job.submitted_at }, ago(job.submitted_at))));
  if (!before || before.status !== job.status) face(item, job);
  bar(item, job);
}

export function badge(job) {
  const { text, icon: name } = STATUS[job.status];
  const ahead = job.status === "queued" && job.queue_position !== null ? (job.queue_position ? ` · ${job.queue_position} ahead` : " · next") : "";
  const share = job.status === "in_progress" && job.percent ? ` · ${job.percent} %` : "";
  return h("span", { class: "badge", dataset: { status: job.status } }, icon(name), `${text}${ahead}${share}`);
}

function face(item, job) {
  const poster = item.querySelector(".poster");
  fill(poster);
  poster.style.aspectRatio = "";
  if (job.status === "completed") return seen.observe(item);
  poster.append(h("span", { class: "poster-state" }, icon(STATUS[job.status].icon), h("small", {})));
}

function bar(item, job) {
  const words = item.querySelector(".poster-state small");
  if (words) words.textContent = hasEnded(job) ? (job.error?.code ?? "").replaceAll("_", " ") : STAGES[job.progress.stage];
  const poster = item.querySelector(".poster");
  let progress = poster.querySelector("progress");
  if (job.status !== "in_progress") return progress?.remove();
  if (!progress) poster.append(progress = h("progress", { max: 100, "aria-label": "Progress" }));
  progress.value = job.percent;
}

async function load(item) {
  const job = jobsOf.get(item);
  const poster = item.querySelector(".poster");
  const image = h("img", { alt: "", loading: "lazy", draggable: false });
  if (job.result.width < 200) image.classList.add("pixels");
  image.addEventListener("error", () => { image.hidden = true; poster.append(h("span", { class: "poster-state" }, icon("cloud"), h("small", {}, "No picture now"))); });
  try {
    image.src = await media.address(job, "poster");
  } catch { return; } // it may be deleted meanwhile
  fill(poster, image, h("span", { class: "sprite" }), h("span", { class: "poster-length" }, `${job.result.duration_seconds.toFixed(1)} s`));
}

// Show the frame that stands for the pointer's place, from the sprite sheet.
async function scrub(item, event) {
  const job = jobsOf.get(item);
  const sprite = item.querySelector(".sprite");
  if (!sprite || job.status !== "completed") return;
  if (!event) { delete sprite.dataset.on; return; }
  if (!sprite.dataset.url) {
    sprite.dataset.url = "loading";
    try { await sheet(sprite, job); } catch { delete sprite.dataset.url; return; }
  }
  if (sprite.dataset.url !== "ready") return;
  const box = sprite.getBoundingClientRect();
  const { number, columns, rows } = media.grid(job.result);
  const at = Math.min(number - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * number)));
  const column = at % columns;
  const row = Math.floor(at / columns);
  sprite.style.backgroundPosition = `${columns > 1 ? (column / (columns - 1)) * 100 : 0}% ${rows > 1 ? (row / (rows - 1)) * 100 : 0}%`;
  sprite.dataset.on = "true";
}

async function sheet(sprite, job) {
  const image = new Image();
  image.src = await media.address(job, "spritesheet");
  await image.decode();
  const { columns, rows } = media.grid(job.result);
  sprite.style.backgroundImage = `url("${image.src.replaceAll('"', "%22")}")`;
  sprite.style.backgroundSize = `${columns * 100}% ${rows * 100}%`;
  sprite.style.aspectRatio = `${job.result.width} / ${job.result.height}`;
  sprite.classList.toggle("pixels", job.result.width < 200);
  sprite.dataset.url = "ready";
}
