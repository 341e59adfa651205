// The official OpenAI SDK for Node, its base URL changed and nothing else.

import OpenAI from "openai";
import { assert, BASE, call, OLD_SECRET, PROMPT, receiver, SECRET } from "./report.mjs";

const client = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: "none-needed-here", webhookSecret: SECRET });
let id;

async function finished(video) {
  let now = video;
  while (now.status === "queued" || now.status === "in_progress") {
    const { data, response } = await client.videos.retrieve(video.id).withResponse();
    now = data;
    const pause = Number(response.headers.get("openai-poll-after-ms") ?? 0);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return now;
}

await call("videos.create, polled as openai-poll-after-ms says", async () => {
  const video = await finished(await client.videos.create({ prompt: PROMPT, seconds: "4", size: "128x128" }));
  assert(video.status === "completed" && video.progress === 100, video);
  id = video.id;
  return `completed, ${video.seconds} s of ${video.size}`;
});

await call("videos.downloadContent: video, thumbnail, spritesheet", async () => {
  const video = Buffer.from(await (await client.videos.downloadContent(id)).arrayBuffer());
  assert(video.subarray(4, 8).toString() === "ftyp", video.subarray(0, 16).toString());
  for (const variant of ["thumbnail", "spritesheet"]) {
    const image = Buffer.from(await (await client.videos.downloadContent(id, { variant })).arrayBuffer());
    assert(image[0] === 0xff && image[1] === 0xd8, variant);
  }
  return `MP4 of ${video.length} bytes, two JPEGs`;
});

await call("videos.list, over pages", async () => {
  const ids = [];
  for await (const video of client.videos.list({ limit: 1 })) ids.push(video.id);
  assert(ids.includes(id) && new Set(ids).size === ids.length, ids);
  return `${ids.length} videos, one a page`;
});

await call("videos.list, over pages, while what was listed is deleted", async () => {
  const made = [];
  for (const _ of [1, 2, 3]) made.push((await finished(await client.videos.create({ prompt: PROMPT }))).id);
  const seen = [];
  for await (const video of client.videos.list({ limit: 1 })) {
    seen.push(video.id);
    if (made.includes(video.id)) await client.videos.delete(video.id);
  }
  assert(made.every((one) => seen.filter((other) => other === one).length === 1) && seen.includes(id), seen);
  return `${seen.length} videos, 3 of them deleted on the way`;
});

await call("videos.remix", async () => {
  const video = await finished(await client.videos.remix(id, { prompt: "a blue circle" }));
  assert(video.remixed_from_video_id === id && video.status === "completed", video);
  return video.status;
});

await call("webhooks.unwrap of video.completed, with either secret", async () => {
  const hook = await receiver();
  const video = await client.videos.create({ prompt: PROMPT, callback_url: hook.url });
  const { headers, body } = await hook.next();
  hook.close();
  for (const secret of [SECRET, OLD_SECRET]) {
    const event = await client.webhooks.unwrap(body, headers, secret);
    assert(event.type === "video.completed" && event.data.id === video.id, event);
  }
  return "video.completed";
});

await call("videos.create with the engines' fields, and a cancel", async () => {
  const fields = { width: 64, height: 64, num_frames: 17, num_inference_steps: 2, seed: 7 };
  const video = await client.videos.create({ prompt: PROMPT, ...fields });
  assert(video.size === "64x64" && video.seconds === "2.125", video);
  const ended = await client.post(`/videos/${video.id}/cancel`);
  assert(ended.status === "failed" && ended.error.code === "cancelled", ended);
  return ended.error.code;
});

await call("videos.delete", async () => {
  const gone = await client.videos.delete(id);
  assert(gone.deleted === true && gone.id === id, gone);
  const after = await client.videos.retrieve(id).catch((error) => error);
  assert(after instanceof OpenAI.NotFoundError, after);
  return gone.object;
});

await call("what the model cannot do is a BadRequestError with its param", async () => {
  const error = await client.videos.create({ prompt: PROMPT, seconds: "60" }).catch((caught) => caught);
  assert(error instanceof OpenAI.BadRequestError && error.param === "seconds", error);
  return error.message;
});

await call("input_reference is refused by name", async () => {
  const input_reference = new File([new Uint8Array([1])], "a.png", { type: "image/png" });
  const error = await client.videos.create({ prompt: PROMPT, input_reference }).catch((caught) => caught);
  assert(error instanceof OpenAI.BadRequestError && error.param === "input_reference", error);
  return error.param;
});
