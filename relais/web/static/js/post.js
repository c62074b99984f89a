// POST a form and get JSON: resolves to { status, success, … }; `status` 0 is a network failure. Never rejects.
import { csrfToken } from "./csrf.js";

const POST_TIMEOUT_MS = 20_000;

// `keepalive` lets the request finish after the page is left; browsers allow few bytes for such requests.
export async function post(url, fields = {}, { keepalive = false } = {}) {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
      body: new URLSearchParams(fields),
      keepalive,
      signal: AbortSignal.timeout(POST_TIMEOUT_MS),
    });
    return { ...(await response.json().catch(() => ({ success: false }))), status: response.status };
  } catch {
    return { status: 0, success: false };
  }
}

// The error to show: the server's sentence, else the page's own.
export function errorText({ status, error }) {
  const texts = document.getElementById("notices").dataset;
  return error || (status === 0 ? texts.offline : texts.error);
}
