// Drafts between this browser and the server, so that another device continues them. The browser's copy is written at
// each key; the server's once typing pauses. What both know is kept as `synced`, so that a change of either side is seen.
import { loadDraft, loadSynced, saveDraft, saveSynced } from "./draft_storage.js";
import { chatElement, conversationId } from "./open_conversation.js";
import { post } from "./post.js";

const TYPING_PAUSE_MS = 600;
const RETRY_PAUSE_MS = 5_000;
const MAX_UNCONFIRMED = 10;
const pending = new Map(); // by conversation: { url, text, ref } that the server does not have yet
const inFlight = new Set();
let timer;

const serverCopy = () => chatElement()?.querySelector("template[data-draft-url]");

// Called at each change of the field. `ref` is the key that the message will be sent with: the server drops a draft
// whose message it already has.
export function scheduleUpload(conversation, text, ref = "") {
  const url = serverCopy()?.dataset.draftUrl;
  pending.delete(conversation);
  const synced = loadSynced(conversation);
  if (url && (inFlight.has(conversation) || synced.sending.length > 0 || text !== synced.text)) pending.set(conversation, { url, text, ref });
  mark(conversation, text);
  clearTimeout(timer);
  timer = setTimeout(uploadAll, TYPING_PAUSE_MS);
}

function uploadAll() {
  for (const conversation of pending.keys()) upload(conversation);
}

// One request a conversation at a time, so that an older text never replaces a newer one.
async function upload(conversation) {
  const draft = pending.get(conversation);
  if (!draft || inFlight.has(conversation)) return;
  pending.delete(conversation);
  inFlight.add(conversation);
  const synced = loadSynced(conversation);
  // The page may be left before the response.
  saveSynced(conversation, { ...synced, sending: [...synced.sending, draft.text].slice(-MAX_UNCONFIRMED) });
  const response = await post(draft.url, { text: draft.text, ref: draft.ref }, { keepalive: true });
  inFlight.delete(conversation);
  if (response.success) saveSynced(conversation, { text: draft.text, at: response.saved_at });
  else if (response.status === 0 || response.status >= 500) {
    if (!pending.has(conversation)) pending.set(conversation, draft);
    return setTimeout(uploadAll, RETRY_PAUSE_MS);
  }
  upload(conversation);
}

// The text to continue with: the server's if only that changed, else the browser's; both if both did.
export function reconciledDraft(conversation) {
  const local = loadDraft(conversation);
  const synced = loadSynced(conversation);
  const copy = serverCopy();
  if (!copy || Date.parse(copy.dataset.readAt) < Date.parse(synced.at)) return local; // older than our last upload
  const remote = copy.content.textContent;
  saveSynced(conversation, { ...synced, text: remote, at: copy.dataset.readAt });
  if ([local, synced.text, ...synced.sending].includes(remote)) return local;
  if (local !== synced.text) return remote ? `${remote}\n${local}` : local;
  saveDraft(conversation, remote);
  return remote;
}

function mark(conversation, text) {
  document.dispatchEvent(new CustomEvent("relais:draft", { detail: { conversation, hasDraft: text.trim() !== "" } }));
}

document.addEventListener("relais:conversation-left", () => uploadAll());
addEventListener("pagehide", () => uploadAll());
document.addEventListener("visibilitychange", () => document.hidden && uploadAll());
addEventListener("online", () => uploadAll());
document.addEventListener("relais:conversation-opened", () => mark(conversationId(), loadDraft(conversationId())));
