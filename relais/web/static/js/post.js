// POST an action as a program: resolves to { status, success, … }; `status` 0 is a network failure. Never rejects.
import { csrfToken } from "./csrf.js";

const PATIENCE = 20_000;

// With `keepalive` it arrives even when the page is left meanwhile; browsers have little room for such requests.
export async function post(url, fields = {}, { keepalive = false } = {}) {
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
      body: new URLSearchParams(fields),
      keepalive,
      signal: AbortSignal.timeout(PATIENCE),
    });
    return { ...(await answer.json().catch(() => ({ success: false }))), status: answer.status };
  } catch {
    return { status: 0, success: false };
  }
}

// What to tell the person: the server's sentence, else the page's own.
export function sentenceOf({ status, error }) {
  const words = document.getElementById("notices").dataset;
  return error || (status === 0 ? words.offline : words.error);
}
