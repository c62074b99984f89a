// POST an action as a program: resolves to { status, success, … }; `status` 0 is a network failure. Never rejects.
const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
const PATIENCE = 20_000;

export async function post(url, fields = {}) {
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { ...headers, Accept: "application/json" },
      body: new URLSearchParams(fields),
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
