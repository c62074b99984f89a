// What someone wrote and the server does not have yet, kept in this browser by user and conversation: the draft, and
// the messages on their way. A reload, a crash or the end of the session loses none of it; signing out removes it.
const chat = document.getElementById("chat");
const place = `${document.body.dataset.user}:${chat.dataset.conversation}`;
const KEYS = { draft: `relais:draft:${place}`, messages: `relais:unsent:${place}` };
const inMemory = {}; // where the browser keeps nothing

function read(key) {
  try { return localStorage.getItem(key) ?? inMemory[key] ?? ""; } catch { return inMemory[key] ?? ""; }
}

function write(key, text) {
  delete inMemory[key];
  try {
    if (text) localStorage.setItem(key, text);
    else localStorage.removeItem(key);
  } catch { if (text) inMemory[key] = text; }
}

export const draft = () => read(KEYS.draft);
export const keepDraft = (text) => write(KEYS.draft, text);

// A message: { ref, text, at, trouble }. `trouble` is the sentence that says why it was refused, or that nobody answered.
export function messages() {
  try { return [JSON.parse(read(KEYS.messages) || "[]")].flat(); } catch { return []; }
}

export function keep(message) {
  const kept = messages();
  const index = kept.findIndex(({ ref }) => ref === message.ref);
  kept.splice(index < 0 ? kept.length : index, 1, message);
  write(KEYS.messages, JSON.stringify(kept));
}

export function drop(ref) {
  const left = messages().filter((message) => message.ref !== ref);
  write(KEYS.messages, left.length ? JSON.stringify(left) : "");
}

addEventListener("beforeunload", (event) => Object.keys(inMemory).length && event.preventDefault());
