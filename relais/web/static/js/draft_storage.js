// What the user wrote and the server has not stored yet, in localStorage by user and conversation: the draft, and the
// unsent messages. A reload, a crash or an expired session loses none of it; signing out clears it.
const chat = document.getElementById("chat");
const scope = `${document.body.dataset.user}:${chat.dataset.conversation}`;
const KEYS = { draft: `relais:draft:${scope}`, messages: `relais:unsent:${scope}` };
const memoryFallback = {}; // where the browser allows no storage

function read(key) {
  try { return localStorage.getItem(key) ?? memoryFallback[key] ?? ""; } catch { return memoryFallback[key] ?? ""; }
}

function write(key, text) {
  delete memoryFallback[key];
  try {
    if (text) localStorage.setItem(key, text);
    else localStorage.removeItem(key);
  } catch { if (text) memoryFallback[key] = text; }
}

export const loadDraft = () => read(KEYS.draft);
export const saveDraft = (text) => write(KEYS.draft, text);

// A message: { ref, text, at, trouble }. `trouble` is the sentence that says why it was refused, or that nobody answered.
export function unsentMessages() {
  try { return [JSON.parse(read(KEYS.messages) || "[]")].flat(); } catch { return []; }
}

export function saveUnsent(message) {
  const stored = unsentMessages();
  const index = stored.findIndex(({ ref }) => ref === message.ref);
  stored.splice(index < 0 ? stored.length : index, 1, message);
  write(KEYS.messages, JSON.stringify(stored));
}

export function removeUnsent(ref) {
  const remaining = unsentMessages().filter((message) => message.ref !== ref);
  write(KEYS.messages, remaining.length ? JSON.stringify(remaining) : "");
}

addEventListener("beforeunload", (event) => Object.keys(memoryFallback).length && event.preventDefault());
