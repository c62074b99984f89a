// The composer: Enter sends, the draft is stored, a message is shown at once (optimistic update), is never lost, and is
// sent at most once (its ref is the idempotency key). Another conversation may be opened while one is being sent.
import { removeUnsent, saveDraft, saveUnsent, unsentMessages } from "./draft_storage.js";
import { reconciledDraft, scheduleUpload } from "./draft_sync.js";
import { insertFragment } from "./insert_fragment.js";
import { chatElement, conversationId } from "./open_conversation.js";
import { errorText, post } from "./post.js";
import { scrollToNewest } from "./thread.js";

const COUNTER_FROM_CHARACTERS = 1_400;
const AUTO_RESEND_MAX_AGE_MS = 2 * 60_000; // an older message is resent by its author, not by opening the page
const LEAVING_RESET_MS = 3_000;
const template = (id) => document.getElementById(id);
const form = () => chatElement()?.querySelector("[data-composer]");
const field = () => form()?.elements.message;
const formatNumber = (number) => number.toLocaleString(document.documentElement.lang);
const newRef = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// -- the field -------------------------------------------------------------------------------------------

function setText(text) {
  field().value = text;
  field().setSelectionRange(text.length, text.length);
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
  saveDraft(conversationId(), text);
  scheduleUpload(conversationId(), text, form().elements.ref.value);
}

// Why it was not sent, under the field; the text and the focus stay.
function showProblem(sentence) {
  const problem = form().querySelector("[data-problem]");
  problem.hidden = !sentence;
  problem.textContent = sentence;
  if (sentence) field().setAttribute("aria-invalid", "true");
  else field().removeAttribute("aria-invalid");
}

document.addEventListener("input", ({ target }) => target === field() && onTextChanged());
document.addEventListener("keydown", (event) => {
  if (event.target !== field() || event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  if (event.defaultPrevented) return; // a menu over the field took the key
  event.preventDefault();
  form().requestSubmit();
});

// A new composer (of the page, or after a take-over) gets the draft back. Without a form, because someone else holds the
// conversation or it ended, the draft is shown to be read and copied.
export function initComposer() {
  showSavedDraft();
  if (!field()) return;
  form().elements.ref.value = newRef();
  if (form().hasAttribute("data-keep-text")) onTextChanged();
  else setText(reconciledDraft(conversationId()));
  if (matchMedia("(hover: hover)").matches) field().focus({ preventScroll: true });
}

function showSavedDraft() {
  const text = field() ? "" : reconciledDraft(conversationId());
  if (!text) return;
  const block = template("saved-draft").content.firstElementChild.cloneNode(true);
  block.querySelector("textarea").value = block.querySelector("[data-copy]").dataset.copy = text;
  document.getElementById("composer").append(block);
}

document.addEventListener("click", ({ target }) => {
  if (!target.closest("[data-discard]")) return;
  saveDraft(conversationId(), "");
  scheduleUpload(conversationId(), "");
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
const refsInQueue = new Set();

document.addEventListener("submit", (event) => {
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
  saveUnsent(conversationId(), message);
  setText("");
  appendBubble(message);
  send(openOutbox(), message);
});

// Where the messages of the conversation on the page are sent to, whichever conversation is on it by then.
const openOutbox = () => ({ conversation: conversationId(), sendUrl: chatElement().dataset.sendUrl });
const bubbleOf = ({ ref }) => document.querySelector(`#thread > .is-unsent[data-ref="${CSS.escape(ref)}"]`);

function appendBubble({ text, ref, at }) {
  const item = template("unsent").content.firstElementChild.cloneNode(true);
  item.dataset.ref = ref;
  item.dataset.at = at;
  item.dataset.author = `agent:${document.body.dataset.user}`;
  item.querySelector(".bubble__text").textContent = text;
  item.querySelector("[data-copy]").dataset.copy = text;
  document.getElementById("thread").append(item);
  scrollToNewest();
}

// Retries send the same ref: the server answers a message it has already stored as it did then, and sends it once.
function send(outbox, { ref, text, at }) {
  const message = { ref, text, at };
  saveUnsent(outbox.conversation, message);
  setState(message, "sending");
  refsInQueue.add(ref);
  sendQueue = sendQueue.then(async () => {
    const response = await post(outbox.sendUrl, { message: text, ref, undo: "1" }, { keepalive: true });
    refsInQueue.delete(ref);
    if (response.success) onSent(outbox, message, response.html);
    else onSendFailed(outbox, { ...message, trouble: errorText(response), signIn: response.code === "login" });
  });
}

function onSent({ conversation }, message, html) {
  removeUnsent(conversation, message.ref);
  if (conversation !== conversationId()) return;
  bubbleOf(message)?.remove();
  insertFragment(html);
}

function onSendFailed({ conversation }, message) {
  // Not stored any more: its frame arrived while the response was lost, so the server has it. And a page being left
  // learns no more.
  if (isLeaving || !unsentMessages(conversation).some(({ ref }) => ref === message.ref)) return;
  saveUnsent(conversation, message);
  setState(message, "failed", message.trouble);
}

// Messages that the previous page could not finish sending, or that are still being sent.
function restoreUnsent() {
  const outbox = openOutbox();
  for (const message of unsentMessages(outbox.conversation)) {
    const isStored = document.querySelector(`#thread > [data-ref="${CSS.escape(message.ref)}"]`);
    if (isStored) {
      removeUnsent(outbox.conversation, message.ref);
      continue;
    }
    appendBubble(message);
    if (refsInQueue.has(message.ref)) setState(message, "sending");
    else if (message.trouble) onSendFailed(outbox, message);
    else if (Date.now() - Date.parse(message.at) < AUTO_RESEND_MAX_AGE_MS) send(outbox, message);
    else onSendFailed(outbox, { ...message, trouble: template("unsent").dataset.interrupted });
  }
}

function setState(message, state, sentence = "") {
  const item = bubbleOf(message);
  if (!item) return;
  item.querySelector(".delivery").dataset.state = state;
  item.querySelector(".delivery__error").textContent = sentence;
  item.querySelector(".delivery__error").hidden = item.querySelector(".delivery__actions").hidden = !sentence;
  item.querySelector("[data-sign-in]").hidden = !message.signIn;
}

document.addEventListener("click", ({ target }) => {
  const item = target.closest("#thread > .is-unsent");
  const message = item && unsentMessages(conversationId()).find(({ ref }) => ref === item.dataset.ref);
  if (!message) return;
  if (target.closest("[data-retry]")) send(openOutbox(), message);
  else if (target.closest("[data-edit]")) moveToComposer(item, message);
});

// Before the text that is there by now; without a composer the message stays where it is.
function moveToComposer(item, { ref, text }) {
  if (!putBackText(text)) return;
  removeUnsent(conversationId(), ref);
  item.remove();
}

// Put it before the text that is there by now. False without a composer.
export function putBackText(text) {
  if (!field()) return false;
  setText([text, field().value].filter(Boolean).join("\n"));
  field().focus();
  return true;
}

document.addEventListener("relais:conversation-opened", () => {
  if (!chatElement().hasAttribute("data-earlier-page")) restoreUnsent();
  initComposer();
});
