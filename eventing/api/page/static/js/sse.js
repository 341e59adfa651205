// Read server-sent events with fetch and not with EventSource, which can send no key.
//   read(path, { signal, silence, onOpen(), onEvent(name, data) })
//   It resolves once the server ends the stream, or after `silence` milliseconds without a byte; it throws a Problem.
import { call } from "./api.js";

export async function read(path, { signal, silence, onOpen = () => {}, onEvent }) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  signal.addEventListener("abort", stop);
  let watchdog = setTimeout(stop, silence);
  try {
    const answer = await call(path, { signal: controller.signal, cache: "no-store" });
    if (answer.status === 204) return;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    onOpen();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, silence);
      const records = (rest + value).split("\n\n");
      rest = records.pop();
      for (const record of records) dispatch(record, onEvent);
    }
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener("abort", stop);
  }
}

function dispatch(record, onEvent) {
  const name = /^event: (.*)$/m.exec(record)?.[1];
  const data = /^data: (.*)$/m.exec(record)?.[1];
  if (name && data) onEvent(name, JSON.parse(data));
}
