// Requests to the sandbox's control API.

const base = new URL("v1", document.baseURI).href;

export class Refused extends Error {}

async function ask(path, request = {}) {
  let response;
  try {
    response = await fetch(base + path, request);
  } catch {
    throw new Refused("The sandbox does not answer: it has ended, or cannot be reached.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(answer.error?.message ?? `the sandbox answers ${response.status}`);
  return answer;
}

export const get = (path) => ask(path);

export const post = (path, body = {}) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const remove = (path) => ask(path, { method: "DELETE" });

/** Listens to the sandbox's events until it is closed; the browser connects again by itself, after the last that it saw. */
export function listen(after, { onRequest, onState, onReset, onLive }) {
  const source = new EventSource(`${base}/events?after=${after}`);
  source.addEventListener("open", () => onLive(true));
  source.addEventListener("error", () => onLive(false));
  source.addEventListener("request", (event) => onRequest(JSON.parse(event.data)));
  source.addEventListener("state", onState);
  source.addEventListener("reset", onReset);
  return source;
}
