// The outbox of this browser: messages that the server has not stored yet leave in the order in which they were written,
// also those of conversations that no page shows, as soon as the server can be reached. Each is stored once: its ref is
// the idempotency key. Open pages take turns by a lock of the browser, one a conversation: a large file of one does not
// keep the messages of the others waiting. What happens is dispatched on `document`:
// relais:outbox with { state: sending, sent, waiting or refused, conversation, message, … }.
import { conversationsWithUnsent, removeUnsent, saveUnsent, unsentMessages } from "./draft_storage.js";
import { errorText, post } from "./post.js";
import { askFileOutbox } from "./unsent_files.js";

const INTERRUPTED_MAX_AGE_MS = 2 * 60_000; // an older message is resent by its author, not by opening a page
const WAITING_MAX_AGE_MS = 24 * 3_600_000; // as long as WhatsApp's window
const RETRY_INTERVAL_MS = 30_000;
const MIN_RETRY_PAUSE_MS = 5_000;
const LEAVING_RESET_MS = 3_000;
const UNREACHABLE = new Set([0, 502, 503, 504]);

// A message: { ref, text, at, names, waiting, retriedAt, trouble, signIn }. `names`: of its files, if it has some. `waiting`:
// it could not leave for want of a connection.
export function mayLeave({ at, waiting, retriedAt, trouble }) {
  const age = Date.now() - Date.parse(retriedAt ?? at);
  return !trouble && age < (waiting ? WAITING_MAX_AGE_MS : INTERRUPTED_MAX_AGE_MS);
}

export const isWaiting = (message) => Boolean(message.waiting) && mayLeave(message);
export const waitingCount = () => conversationsWithUnsent().flatMap(unsentMessages).filter(isWaiting).length;

// Leaving the page aborts its requests before it is hidden: that is no failure, unless the reader stays after all.
let isLeaving = false;
addEventListener("beforeunload", () => {
  isLeaving = true;
  setTimeout(() => (isLeaving = false), LEAVING_RESET_MS);
});

function dispatch(state, conversation, message, more = {}) {
  document.dispatchEvent(new CustomEvent("relais:outbox", { detail: { state, conversation, message, ...more } }));
}

const isStored = (conversation, { ref }) => unsentMessages(conversation).some((stored) => stored.ref === ref);

// Resolves to whether the server answered.
async function send(conversation, message) {
  const { ref, text, names } = message;
  dispatch("sending", conversation, message);
  const response = names
    ? ((await askFileOutbox("upload", { conversation, message })) ?? { status: 0 })
    : await post(`/dashboard/chat/${conversation}/send`, { message: text, ref, undo: "1" }, { keepalive: true });
  if (response.success) {
    removeUnsent(conversation, ref);
    dispatch("sent", conversation, message, { fragments: response.fragments ?? [response.html] });
    return true;
  }
  if (isLeaving) return false;
  // Not stored any more: its frame arrived while the response was lost, so the server has it.
  if (!isStored(conversation, message)) return true;
  if (UNREACHABLE.has(response.status)) {
    keepWaiting(conversation);
    return false;
  }
  const refused = { ...message, trouble: errorText(response), signIn: response.code === "login" };
  saveUnsent(conversation, refused);
  dispatch("refused", conversation, refused);
  return true;
}

// The oldest message first, and none before the one that was written earlier.
async function sendAll(conversation) {
  let message;
  while ((message = unsentMessages(conversation).find(mayLeave))) if (!(await send(conversation, message))) return;
}

let failedAt = 0;
let retryTimer;

function keepWaiting(conversation) {
  failedAt = Date.now();
  for (const message of unsentMessages(conversation).filter(mayLeave)) {
    saveUnsent(conversation, { ...message, waiting: true });
    dispatch("waiting", conversation, message);
  }
  clearTimeout(retryTimer);
  retryTimer = setTimeout(flushOutbox, RETRY_INTERVAL_MS);
}

const running = new Set(); // conversations
const askedAgain = new Set();

export function flushOutbox() {
  conversationsWithUnsent().forEach(flush);
}

function flush(conversation) {
  askedAgain.add(conversation);
  if (running.has(conversation)) return;
  running.add(conversation);
  takeTurn(conversation).finally(() => {
    running.delete(conversation);
    if (askedAgain.has(conversation)) flush(conversation);
  });
}

function takeTurn(conversation) {
  const task = async () => {
    while (askedAgain.delete(conversation)) await sendAll(conversation);
  };
  return navigator.locks ? navigator.locks.request(`relais:outbox:${conversation}`, task) : task();
}

// Signs that the server may be reached again.
function flushAfterFailure() {
  if (failedAt && Date.now() - failedAt > MIN_RETRY_PAUSE_MS && waitingCount()) flushOutbox();
}

addEventListener("online", flushOutbox);
document.addEventListener("relais:counts", flushAfterFailure);
document.addEventListener("relais:caught-up", flushAfterFailure);
document.addEventListener("visibilitychange", flushAfterFailure);
addEventListener("load", flushOutbox);
