// The outbox of this browser: messages that the server has not stored yet leave in the order in which they were written,
// also those of conversations that no page shows, as soon as the server can be reached. Each is stored once: its ref is
// the idempotency key. Open pages take turns by a lock of the browser. What happens is dispatched on `document`:
// relais:outbox with { state: sending, sent, waiting or refused, conversation, message, … }.
import { conversationsWithUnsent, removeUnsent, saveUnsent, unsentMessages } from "./draft_storage.js";
import { errorText, post } from "./post.js";

const INTERRUPTED_MAX_AGE_MS = 2 * 60_000; // an older message is resent by its author, not by opening a page
const WAITING_MAX_AGE_MS = 24 * 3_600_000; // as long as WhatsApp's window
const RETRY_INTERVAL_MS = 30_000;
const MIN_RETRY_PAUSE_MS = 5_000;
const LEAVING_RESET_MS = 3_000;
const UNREACHABLE = new Set([0, 502, 503, 504]);

// A message: { ref, text, at, waiting, retriedAt, trouble, signIn }. `waiting`: it could not leave for want of a connection.
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
  const { ref, text } = message;
  dispatch("sending", conversation, message);
  const response = await post(`/dashboard/chat/${conversation}/send`, { message: text, ref, undo: "1" }, { keepalive: true });
  if (response.success) {
    removeUnsent(conversation, ref);
    dispatch("sent", conversation, message, { html: response.html });
    return true;
  }
  if (isLeaving) return false;
  // Not stored any more: its frame arrived while the response was lost, so the server has it.
  if (!isStored(conversation, message)) return true;
  if (UNREACHABLE.has(response.status)) {
    keepWaiting();
    return false;
  }
  const refused = { ...message, trouble: errorText(response), signIn: response.code === "login" };
  saveUnsent(conversation, refused);
  dispatch("refused", conversation, refused);
  return true;
}

// The oldest message of each conversation first, and none before the one that was written earlier.
async function sendAll() {
  for (const conversation of conversationsWithUnsent()) {
    let message;
    while ((message = unsentMessages(conversation).find(mayLeave))) if (!(await send(conversation, message))) return;
  }
}

let failedAt = 0;
let retryTimer;

function keepWaiting() {
  failedAt = Date.now();
  for (const conversation of conversationsWithUnsent())
    for (const message of unsentMessages(conversation).filter(mayLeave)) {
      saveUnsent(conversation, { ...message, waiting: true });
      dispatch("waiting", conversation, message);
    }
  clearTimeout(retryTimer);
  retryTimer = setTimeout(flushOutbox, RETRY_INTERVAL_MS);
}

let running = null;
let isAskedAgain = false;

export function flushOutbox() {
  isAskedAgain = true;
  running ??= takeTurn().finally(() => {
    running = null;
    if (isAskedAgain) flushOutbox();
  });
}

function takeTurn() {
  const task = async () => {
    while (isAskedAgain) {
      isAskedAgain = false;
      await sendAll();
    }
  };
  return navigator.locks ? navigator.locks.request("relais:outbox", task) : task();
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
