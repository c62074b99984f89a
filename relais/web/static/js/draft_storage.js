// What the user wrote and the server has not stored yet, in localStorage by user and conversation: the draft, and the
// unsent messages. A reload, a crash or an expired session loses none of it; signing out clears it.
const keyOf = (kind, conversation) => `relais:${kind}:${document.body.dataset.user}:${conversation}`;
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

export const loadDraft = (conversation) => read(keyOf("draft", conversation));
export const saveDraft = (conversation, text) => write(keyOf("draft", conversation), text);
// The text of a note that is not added yet.
export const loadNote = (conversation) => read(keyOf("note", conversation));
export const saveNote = (conversation, text) => write(keyOf("note", conversation), text);

// What the server has of the draft: { text, at }, `at` by its clock; `sending` are texts that it may have, too.
export function loadSynced(conversation) {
  try { return { text: "", sending: [], ...JSON.parse(read(keyOf("synced-draft", conversation)) || "{}") }; } catch { return { text: "", sending: [] }; }
}
export const saveSynced = (conversation, synced) => write(keyOf("synced-draft", conversation), JSON.stringify(synced));

// The conversations in which the user has unsent messages.
export function conversationsWithUnsent() {
  const prefix = keyOf("unsent", "");
  let stored = [];
  try { stored = Object.keys(localStorage); } catch { /* no storage */ }
  const keys = new Set([...stored, ...Object.keys(memoryFallback)]);
  return [...keys].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
}

// A message: { ref, text, at, trouble, … }, see outbox.js. `trouble` is the sentence
// that says why it was refused.
export function unsentMessages(conversation) {
  try { return [JSON.parse(read(keyOf("unsent", conversation)) || "[]")].flat(); } catch { return []; }
}

export function saveUnsent(conversation, message) {
  const stored = unsentMessages(conversation);
  const index = stored.findIndex(({ ref }) => ref === message.ref);
  stored.splice(index < 0 ? stored.length : index, 1, message);
  write(keyOf("unsent", conversation), JSON.stringify(stored));
}

export function removeUnsent(conversation, ref) {
  const remaining = unsentMessages(conversation).filter((message) => message.ref !== ref);
  write(keyOf("unsent", conversation), remaining.length ? JSON.stringify(remaining) : "");
}

addEventListener("beforeunload", (event) => Object.keys(memoryFallback).length && event.preventDefault());
