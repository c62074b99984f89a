// The composer: Enter sends, the draft is stored, a message is shown at once (optimistic update), is never lost, and is
// sent at most once (its ref is the idempotency key).
import { loadDraft, removeUnsent, saveDraft, saveUnsent, unsentMessages } from "./draft_storage.js";
import { insertFragment } from "./insert_fragment.js";
import { errorText, post } from "./post.js";
import { scrollToNewest } from "./thread.js";

const COUNTER_FROM_CHARACTERS = 1_400;
const AUTO_RESEND_MAX_AGE_MS = 2 * 60_000; // an older message is resent by its author, not by opening the page
const LEAVING_RESET_MS = 3_000;
const chat = document.getElementById("chat");
const events = document.getElementById("thread");
const templates = { unsent: document.getElementById("unsent"), savedDraft: document.getElementById("saved-draft") };
const form = () => chat.querySelector("[data-composer]");
const field = () => form()?.elements.message;
const formatNumber = (number) => number.toLocaleString(document.documentElement.lang);
const newRef = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// -- the field -------------------------------------------------------------------------------------------

function setText(text) {
  field().value = text;
  onTextChanged();
}

function onTextChanged() {
  const text = field().value;
  const length = [...text.trim()].length; // code points, as the server counts
  const maxCharacters = Number(form().dataset.maxCharacters);
  const counter = form().querySelector("[data-counter]");
  counter.hidden = length < COUNTER_FROM_CHARACTERS;
  counter.value = `${formatNumber(length)} / ${formatNumber(maxCharacters)}`;
  counter.classList.toggle("is-over", length > maxCharacters);
  if (length <= maxCharacters) showProblem("");
  saveDraft(text);
}

// Why it was not sent, under the field; the text and the focus stay.
function showProblem(sentence) {
  const problem = form().querySelector("[data-problem]");
  problem.hidden = !sentence;
  problem.textContent = sentence;
  if (sentence) field().setAttribute("aria-invalid", "true");
  else field().removeAttribute("aria-invalid");
}

chat.addEventListener("input", ({ target }) => target === field() && onTextChanged());
chat.addEventListener("keydown", (event) => {
  if (event.target !== field() || event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form().requestSubmit();
});

// A new composer (of the page, or after a take-over) gets the draft back. Without a form, because someone else holds the
// conversation or it ended, the draft is shown to be read and copied.
export function initComposer() {
  showSavedDraft();
  if (!field()) return;
  form().elements.ref.value = newRef();
  if (!field().value) setText(loadDraft());
  else onTextChanged();
  if (matchMedia("(hover: hover)").matches) field().focus({ preventScroll: true });
}

function showSavedDraft() {
  const text = loadDraft();
  if (field() || !text) return;
  const block = templates.savedDraft.content.firstElementChild.cloneNode(true);
  block.querySelector("textarea").value = block.querySelector("[data-copy]").dataset.copy = text;
  document.getElementById("composer").append(block);
}

chat.addEventListener("click", ({ target }) => {
  if (!target.closest("[data-discard]")) return;
  saveDraft("");
  target.closest("[data-saved-draft]").remove();
});

// -- sending -------------------------------------------------------------------------------------------------

// Leaving the page aborts its requests before it is hidden: that is no failure, unless the reader stays after all.
let isLeaving = false;
addEventListener("beforeunload", () => {
  isLeaving = true;
  setTimeout(() => (isLeaving = false), LEAVING_RESET_MS);
});
let sendQueue = Promise.resolve(); // one after the other, so that messages are sent in the order they were written

chat.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-composer]")) return;
  event.preventDefault();
  const text = field().value.trim();
  const length = [...text].length;
  const { maxCharacters, tooLong } = form().dataset;
  field().focus();
  if (!text) return;
  if (length > Number(maxCharacters))
    return showProblem(tooLong.replace("{length}", formatNumber(length)).replace("{longest}", formatNumber(Number(maxCharacters))));
  const message = { ref: form().elements.ref.value, text, at: new Date().toISOString() };
  form().elements.ref.value = newRef();
  saveUnsent(message);
  setText("");
  send(appendBubble(message), message);
});

function appendBubble({ text, ref, at }) {
  const item = templates.unsent.content.firstElementChild.cloneNode(true);
  item.dataset.ref = ref;
  item.dataset.at = at;
  item.dataset.author = `agent:${document.body.dataset.user}`;
  item.querySelector(".bubble__text").textContent = text;
  item.querySelector("[data-copy]").dataset.copy = text;
  events.append(item);
  scrollToNewest();
  return item;
}

// Retries send the same ref: the server answers a message it has already stored as it did then, and sends it once.
function send(item, { ref, text, at }) {
  item.retry = () => send(item, { ref, text, at });
  saveUnsent({ ref, text, at });
  setState(item, "sending");
  sendQueue = sendQueue.then(async () => {
    const response = await post(chat.dataset.sendUrl, { message: text, ref }, { keepalive: true });
    if (response.success) {
      removeUnsent(ref);
      item.remove();
      insertFragment(response.html);
    } else {
      onSendFailed(item, { ref, text, at, trouble: errorText(response), signIn: response.code === "login" });
    }
  });
}

function onSendFailed(item, message) {
  // Removed: its frame arrived while the response was lost, so the server has it. And a page being left learns no more.
  if (!item.isConnected || isLeaving) return;
  item.retry = () => send(item, message);
  saveUnsent(message);
  setState(item, "failed", message.trouble);
  item.querySelector("[data-sign-in]").hidden = !message.signIn;
}

// Messages that the previous page could not finish sending.
function restoreUnsent() {
  for (const message of unsentMessages()) {
    if (events.querySelector(`[data-ref="${CSS.escape(message.ref)}"]`)) removeUnsent(message.ref);
    else if (message.trouble) onSendFailed(appendBubble(message), message);
    else if (Date.now() - Date.parse(message.at) < AUTO_RESEND_MAX_AGE_MS) send(appendBubble(message), message);
    else onSendFailed(appendBubble(message), { ...message, trouble: templates.unsent.dataset.interrupted });
  }
}

function setState(item, state, sentence = "") {
  item.querySelector(".delivery").dataset.state = state;
  item.querySelector(".delivery__error").textContent = sentence;
  item.querySelector(".delivery__error").hidden = item.querySelector(".delivery__actions").hidden = !sentence;
}

events.addEventListener("click", ({ target }) => {
  const item = target.closest(".is-unsent");
  if (target.closest("[data-retry]")) item.retry();
  else if (item && target.closest("[data-edit]")) moveToComposer(item);
});

// Before the text that is there by now; without a composer the message stays where it is.
function moveToComposer(item) {
  if (!field()) return;
  setText([item.querySelector(".bubble__text").textContent, field().value].filter(Boolean).join("\n"));
  removeUnsent(item.dataset.ref);
  item.remove();
  field().focus();
}

if (!chat.hasAttribute("data-earlier-page")) restoreUnsent();
initComposer();
