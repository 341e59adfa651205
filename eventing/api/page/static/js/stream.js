// Follow all jobs of the caller by one stream (GET v1/updates, server-sent events), and keep it alive.
//   follow({ onJob(job), onDeleted(id), onOpen(), onAway(seconds) })
//   onOpen runs each time the stream is there; changes from before it are not in the stream, so load the list then.
//   onAway runs when it breaks off; `seconds` is the time until the next try.
import * as session from "./session.js";
import { read } from "./sse.js";

const SILENT_MILLISECONDS = 35_000; // the server sends a sign of life every 15 s
const PAUSES = [1, 2, 4, 8, 15]; // seconds before each further try
let connection = null;
let wake = () => {};

export function follow(listeners) {
  session.onChange(() => restart());
  addEventListener("online", () => restart());
  document.addEventListener("visibilitychange", () => document.hidden || wake());
  run(listeners);
}

export function restart() {
  connection?.abort();
  wake();
}

async function run(listeners) {
  for (let tries = 0; ; tries++) {
    connection = new AbortController();
    const opened = await once(listeners, connection).catch(() => false);
    if (opened) tries = 0;
    const pause = PAUSES[Math.min(tries, PAUSES.length - 1)];
    listeners.onAway(pause);
    await new Promise((resolve) => { wake = resolve; setTimeout(resolve, pause * 1000); });
  }
}

// Read one connection to its end. Return whether it was ever there.
async function once(listeners, controller) {
  let isThere = false;
  await read("v1/updates", {
    signal: controller.signal, silence: SILENT_MILLISECONDS,
    onOpen: () => { isThere = true; listeners.onOpen(); },
    onEvent: (name, data) => {
      if (name === "job") listeners.onJob(data);
      if (name === "deleted") listeners.onDeleted(data.id);
    },
  });
  return isThere;
}
