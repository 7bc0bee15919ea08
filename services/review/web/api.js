// The HTTP API, same origin, with the session cookie. Failures carry the words of the problem document.

/** A refused or failed request: `message` says what was wrong, `action` what to do, `status` 0 means no network. */
export class Problem extends Error {
  constructor(status, message, action = "", code = "") {
    super(message);
    Object.assign(this, { status, action, code });
  }
}

/** Call the API; answers the parsed JSON, null where there is no content. Throws Problem. */
export async function call(method, path, body, { signal, headers = {} } = {}) {
  const request = { method, signal, headers: { Accept: "application/json", ...headers } };
  if (body instanceof FormData || typeof body === "string") request.body = body;
  else if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers["Content-Type"] = "application/json";
  }
  const response = await reach(path, request);
  if (response.status === 204) return null;
  const kind = response.headers.get("content-type") ?? "";
  return kind.includes("json") ? response.json() : response.text();
}

export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body, options) => call("POST", path, body ?? {}, options);
export const put = (path, body, options) => call("PUT", path, body, options);
export const patch = (path, body, options) => call("PATCH", path, body, options);
export const remove = (path, options) => call("DELETE", path, undefined, options);

/** A path with query parameters; empty ones are left out. */
export function query(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** Every item of a paged list, `most` at the most. */
export async function all(path, most = 1000, options) {
  const items = [];
  let cursor = null;
  do {
    const joined = path.includes("?") ? `${path}&` : `${path}?`;
    const page = await get(`${joined}limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, options);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}

/** Pauses before a part of an upload is sent again; the key keeps what arrived twice from counting twice. */
const UPLOAD_PAUSES_MS = [1000, 2000, 4000, 8000, 15000, 30000, 60000, 60000, 60000, 60000];
/** No answer, too many requests, and what a proxy says while the server is away. */
const PASSING = [0, 429, 502, 503, 504];

/**
 * Send files with progress: `onProgress(share)` in 0..1; `onWait()` when it did not get through and is tried again.
 * Answers the parsed JSON; throws Problem.
 */
export async function upload(path, form, onProgress, onWait) {
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(16)));
  const key = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  for (const pause of UPLOAD_PAUSES_MS) {
    try {
      return await send(path, form, key, onProgress);
    } catch (wrong) {
      if (!PASSING.includes(wrong.status)) throw wrong;
      onWait();
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  return send(path, form, key, onProgress);
}

function send(path, form, key, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Idempotency-Key", key);
    request.responseType = "json";
    request.upload.addEventListener(
      "progress",
      (event) => event.lengthComputable && onProgress(event.loaded / event.total),
    );
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject(problemFrom(request.status, request.response));
    });
    request.send(form);
  });
}

/** Read a stream of server-sent events from a POST: yields the text behind each `data:`. */
export async function* events(path, body, signal) {
  const response = await reach(path, {
    method: "POST",
    signal,
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? "";
    const lines = rest.split(/\r?\n/);
    rest = done ? "" : lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
    if (done) return;
  }
}

/** Save what the API answers at `path` as a file. */
export async function download(path, name, accept) {
  const response = await reach(path, { headers: { Accept: accept } });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function reach(path, request) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...request });
  } catch (wrong) {
    if (wrong.name === "AbortError") throw wrong;
    throw unreachable();
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  if (response.status === 401 && location.pathname !== "/login") {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  throw problemFrom(response.status, body);
}

function problemFrom(status, body) {
  const fallback = status >= 500 ? "Dossier could not do that just now." : "That did not work.";
  return new Problem(status, body?.detail ?? fallback, body?.action ?? "", body?.code ?? "");
}

function unreachable() {
  return new Problem(0, "Dossier does not answer.", "Check that it is running (dossier doctor), then try again.");
}
