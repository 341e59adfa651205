// What client scripts share: one JSON line per call, and a receiver for webhooks. Node only.

import http from "node:http";

export const { URL: BASE, PREDICTOR_URL, SECRET, OLD_SECRET } = process.env;
export const PROMPT = "a red circle moving right";

// Run a function now; what it returns is the note, an exception a red row.
export async function call(name, run) {
  let ok = true;
  let note = "";
  try {
    note = (await run()) ?? "";
  } catch (error) {
    console.error(error);
    ok = false;
    note = `${error.name}: ${error.message}`;
  }
  console.log(JSON.stringify({ call: name, ok, note: String(note).slice(0, 300) }));
}

export function assert(truth, seen) {
  if (!truth) throw new Error(`unexpected: ${JSON.stringify(seen)}`);
}

// Listens on loopback; `next` is the next delivery.
export async function receiver() {
  const waiting = [];
  const got = [];
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const delivery = { headers: request.headers, body: Buffer.concat(chunks).toString() };
    const taker = waiting.shift();
    if (taker) taker(delivery);
    else got.push(delivery);
    response.writeHead(204).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/hook`,
    next: () => new Promise((resolve) => (got.length ? resolve(got.shift()) : waiting.push(resolve))),
    close: () => server.close(),
  };
}

// The job once its event stream has ended.
export async function ended(jobId) {
  const text = await (await fetch(`${BASE}/v1/jobs/${jobId}/events`)).text();
  return JSON.parse(text.trim().split("\n").at(-1).replace(/^data: /, ""));
}
