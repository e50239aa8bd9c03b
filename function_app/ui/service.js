
// The service's routes as calls. The key lives in the tab's session and travels in a header, never in an address.

const KEY = "deltalake-hub.key";
const API = `${location.origin}${location.pathname.replace(/\/ui\/*$/, "/")}`;
const UNREACHABLE_SECONDS = 10;

/** Why a call did not do what it should: a sentence for the operator, and when to try again (seconds, or null). */
class Trouble extends Error {
  constructor(message, { status = 0, retryAfter = null } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** A call below the prefix; {document, status}. Throws Trouble, or AbortError where `signal` says so. */
async function call(path, { method = "GET", key = sessionStorage.getItem(KEY), headers = {}, signal } = {}) {
  let answer;
  try {
    answer = await fetch(API + path, {
      method,
      signal,
      headers: { Accept: "application/json", "x-functions-key": key ?? "", ...headers },
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error", // the key must not travel on
      referrerPolicy: "no-referrer",
    });
    if (answer.ok) return { document: await answer.json(), status: answer.status };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The service cannot be reached, or its answer was cut off.", { retryAfter: UNREACHABLE_SECONDS });
  }
  throw await troubleOf(answer);
}

async function troubleOf(answer) {
  const seconds = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  const fallback = answer.status >= 500 || answer.status === 429 ? UNREACHABLE_SECONDS : null;
  const retryAfter = Number.isNaN(seconds) ? fallback : Math.min(Math.max(seconds, 1), 3600);
  let said = {};
  try {
    if (answer.headers.get("Content-Type")?.startsWith("application/problem+json")) said = await answer.json();
  } catch {
    // the status says enough
  }
  return new Trouble(problemText(answer.status, said), { status: answer.status, retryAfter });
}

/** Problem details (RFC 9457) as lines: what is wrong, then a line for each field with its remedy. */
function problemText(status, said) {
  if (!said.code) return status === 401 ? "The service refused the key." : `The service answered ${status}.`;
  const lines = (said.errors ?? []).map((one) => `${one.field}: ${one.message}${one.remedy ? `; ${one.remedy}` : ""}`);
  return [`${said.title}: ${said.detail} (${said.code})`, ...lines].join("\n");
}

function withQuery(path, query) {
  const kept = Object.entries(query).filter(([, value]) => value);
  return kept.length ? `${path}?${new URLSearchParams(kept)}` : path;
}

/** Where a page goes on: of `nextLink` only the continuation, since a proxy may have changed the host in it. */
function continuationOf({ nextLink }) {
  return nextLink ? new URL(nextLink, API).searchParams.get("continuation") : null;
}

/** A fresh Idempotency-Key; `crypto.randomUUID` is for https alone. */
function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
