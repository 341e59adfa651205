// Call the HTTP API. Addresses are relative, so the page works behind a path prefix.
//   call(path, options)  → Response           json(path, options) → decoded body
//   post(path, body)     → decoded body
// Each throws Problem: the server's words, its HTTP status, its code, and the field that is wrong. An Away is a
// Problem too: the server did not answer. Calls carry the key of session.js; a 401 is reported to it.
import * as session from "./session.js";

export class Problem extends Error {
  constructor(message, { status = 0, code = "", field = null, retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { status, code, field, retryAfter });
  }
}

export class Away extends Problem {}

export async function call(path, options = {}) {
  const answer = await reach(path, { ...options, headers: { ...session.headers(), ...options.headers } });
  if (answer.ok) return answer;
  const problem = await read(answer);
  if (answer.status === 401) session.refused(problem);
  throw problem;
}

export async function json(path, options = {}) {
  const answer = await call(path, { ...options, headers: { Accept: "application/json", ...options.headers } });
  return answer.status === 204 ? null : answer.json();
}

export function post(path, body, headers = {}) {
  if (body instanceof FormData) return json(path, { method: "POST", body, headers });
  return json(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body ?? {}) });
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Away(`The server at ${location.host} does not answer. Is it running?`, { code: "away" });
  }
}

async function read(answer) {
  const body = await answer.json().catch(() => ({}));
  const details = body.error ?? body; // OpenAI's form has its details one level down
  return new Problem(details.detail ?? details.message ?? `${answer.status} ${answer.statusText}`, {
    status: answer.status, code: details.code, field: details.field ?? details.param ?? null,
    retryAfter: Number(answer.headers.get("Retry-After")) || null,
  });
}
