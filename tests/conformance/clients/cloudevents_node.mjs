// The CloudEvents SDK for JavaScript as producer, and as reader of what we send back.

import { CloudEvent, HTTP, emitterFor, httpTransport, Mode } from "cloudevents";
import { Webhook } from "standardwebhooks";
import { assert, BASE, call, ended, PREDICTOR_URL, PROMPT, receiver, SECRET } from "./report.mjs";

const type = "dev.reelzero.video.requested.v1";
const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const event = (id, data = {}) =>
  new CloudEvent({ type, source: "/node", id, traceparent, data: { prompt: PROMPT, seed: 7, ...data } });

async function post(message, url = `${BASE}/events`) {
  return fetch(url, { method: "POST", headers: message.headers, body: message.body });
}

async function accepted(message) {
  const answer = await post(message);
  assert(answer.status === 202 && (await answer.text()) === "", answer.status);
  const job = await ended(answer.headers.get("location").split("/").at(-1));
  assert(job.status === "completed", job);
  return `202, then ${job.status}`;
}

await call("eventing: HTTP.binary", () => accepted(HTTP.binary(event("binary"))));
await call("eventing: HTTP.structured", () => accepted(HTTP.structured(event("structured"))));

await call("eventing: a batch", async () => {
  const body = JSON.stringify([event("batch-1"), event("batch-2")]);
  const answer = await post({ headers: { "content-type": "application/cloudevents-batch+json" }, body });
  assert(answer.status === 202, answer.status);
  return "202";
});

await call("eventing: emitterFor(httpTransport)", async () => {
  const emit = emitterFor(httpTransport(`${BASE}/events`), { mode: Mode.BINARY });
  await emit(event("emitter"));
  return "sent";
});

await call("eventing: the same event twice is one job", async () => {
  const answers = [await post(HTTP.binary(event("twice"))), await post(HTTP.structured(event("twice")))];
  const [first, second] = answers.map((answer) => answer.headers.get("location"));
  assert(first && first === second, [first, second]);
  return "one Location";
});

await call("eventing: HTTP.toEvent reads the webhook, which verifies and is in the request's trace", async () => {
  const hook = await receiver();
  await post(HTTP.structured(event("hook", { callback_url: hook.url })));
  const delivery = await hook.next();
  hook.close();
  new Webhook(SECRET).verify(delivery.body, delivery.headers);
  const done = HTTP.toEvent(delivery);
  assert(done.type === "dev.reelzero.video.completed.v1" && done.validate(), done);
  assert(done.traceparent.split("-")[1] === traceparent.split("-")[1], done.traceparent);
  return done.type;
});

await call("predictor: HTTP.toEvent reads the reply to a delivery", async () => {
  const answer = await post(HTTP.binary(event("direct")), `${PREDICTOR_URL}/`);
  const done = HTTP.toEvent({ headers: Object.fromEntries(answer.headers), body: await answer.text() });
  assert(answer.status === 200 && done.type === "dev.reelzero.video.completed.v1", done);
  return done.type;
});
