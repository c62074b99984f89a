// The composer: Enter puts the message into the outbox (outbox.js), the draft is stored, a message is shown at once
// (optimistic update). Another conversation may be opened while one is being sent.
import { addFiles, chosenFiles, clearFiles, forgetFiles, showFiles } from "./attachments.js";
import { showProblem } from "./composer_problem.js";
import { openConversation } from "./conversation_panes.js";
import { removeUnsent, saveDraft, saveUnsent, unsentMessages } from "./draft_storage.js";
import { reconciledDraft, scheduleUpload } from "./draft_sync.js";
import { insertFragment } from "./insert_fragment.js";
import { chatElement, conversationId } from "./open_conversation.js";
import { flushOutbox, isWaiting, mayLeave } from "./outbox.js";
import { newRef } from "./ref.js";
import { scrollToNewest } from "./thread.js";
import { askFileOutbox } from "./unsent_files.js";

const COUNTER_FROM_CHARACTERS = 1_400;
const template = (id) => document.getElementById(id);
const form = () => chatElement()?.querySelector("[data-composer]");
const field = () => form()?.elements.message;
const formatNumber = (number) => number.toLocaleString(document.documentElement.lang);

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
  showFiles();
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

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-composer]")) return;
  event.preventDefault();
  const text = field().value.trim();
  const length = [...text].length;
  const { maxCharacters, tooLong } = form().dataset;
  field().focus();
  if (length > Number(maxCharacters)) {
    const sentence = tooLong.replace("{length}", formatNumber(length)).replace("{longest}", formatNumber(Number(maxCharacters)));
    return showProblem(sentence, { isTextWrong: true });
  }
  const files = chosenFiles();
  if (!text && !files.length) return;
  const message = { ref: form().elements.ref.value, text, at: new Date().toISOString() };
  if (files.length) return sendFiles(message, files, clearComposer);
  clearComposer(message);
  putIntoOutbox(conversationId(), message);
});

// What was typed meanwhile stays; another conversation may have been opened.
function clearComposer({ text }, conversation = conversationId()) {
  if (conversation !== conversationId()) {
    forgetFiles(conversation);
    return saveDraft(conversation, "");
  }
  form().elements.ref.value = newRef();
  clearFiles();
  setText(field().value.trim().startsWith(text) ? field().value.trim().slice(text.length).trimStart() : field().value);
}

function putIntoOutbox(conversation, message) {
  saveUnsent(conversation, message);
  if (conversation === conversationId()) appendBubble(message);
  flushOutbox();
}

let isKeeping = false;

// Nothing is cleared before the browser has stored the files.
async function sendFiles(message, files, onKept) {
  if (isKeeping) return;
  isKeeping = true;
  const conversation = conversationId();
  const isKept = await askFileOutbox("keep", { ref: message.ref, files });
  isKeeping = false;
  if (!isKept) return conversation === conversationId() && showProblem(document.getElementById("notices").dataset.offline);
  onKept(message, conversation);
  putIntoOutbox(conversation, { ...message, names: files.map(({ name }) => name) });
}

// Files of another module, such as a voice note: they leave without the text of the field.
document.addEventListener("relais:send-files", ({ detail: { files, onKept } }) => {
  sendFiles({ ref: newRef(), text: "", at: new Date().toISOString() }, files, onKept);
});

// schedule_dialog.js sends what is here another way, and clears it when the server has it.
document.addEventListener("relais:ask-composer", ({ detail }) => {
  if (!field()) return;
  const text = field().value.trim();
  const conversation = conversationId();
  Object.assign(detail, { form: form(), text, ref: form().elements.ref.value, files: chosenFiles(), clear: () => clearComposer({ text }, conversation) });
});

const bubbleOf = ({ ref }) => document.querySelector(`#thread > .is-unsent[data-ref="${CSS.escape(ref)}"]`);

function appendBubble({ text, ref, at, names }) {
  const item = template("unsent").content.firstElementChild.cloneNode(true);
  item.dataset.ref = ref;
  item.dataset.at = at;
  item.dataset.author = `agent:${document.body.dataset.user}`;
  item.querySelector(".bubble__text").textContent = text;
  item.querySelector("[data-copy]").dataset.copy = text;
  document.getElementById("thread").append(item);
  if (names) askFileOutbox("show", { ref, names });
  scrollToNewest();
}

// What the outbox reports about the messages of the conversation on the page.
document.addEventListener("relais:outbox", ({ detail: { state, conversation, message, fragments } }) => {
  if (conversation !== conversationId()) return;
  if (state === "sending") setState(message, "sending");
  else if (state === "waiting") setState(message, "waiting", template("unsent").dataset.waiting);
  else if (state === "refused") setState(message, "failed", message.trouble);
  else if (chatElement().hasAttribute("data-earlier-page")) openConversation(`/dashboard/chat/${conversation}`);
  else {
    bubbleOf(message)?.remove();
    fragments.forEach(insertFragment);
  }
});

// Messages that the previous page could not finish sending, or that are still being sent.
function restoreUnsent() {
  const conversation = conversationId();
  for (const message of unsentMessages(conversation)) {
    const isStored = document.querySelector(`#thread > [data-ref="${CSS.escape(message.ref)}"]`);
    if (isStored) {
      removeUnsent(conversation, message.ref);
      continue;
    }
    appendBubble(message);
    if (isWaiting(message)) setState(message, "waiting", template("unsent").dataset.waiting);
    else if (!mayLeave(message)) keepUnsent(conversation, message);
  }
  flushOutbox();
}

// Its author decides: it was refused, or its sending was interrupted too long ago.
function keepUnsent(conversation, message) {
  const kept = { ...message, trouble: message.trouble ?? template("unsent").dataset.interrupted };
  saveUnsent(conversation, kept);
  setState(kept, "failed", kept.trouble);
}

// With the same ref: the server answers a message it has already stored as it did then, and sends it once.
function retry({ ref, text, at, names }) {
  saveUnsent(conversationId(), { ref, text, at, names, waiting: true, retriedAt: new Date().toISOString() });
  flushOutbox();
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
  if (target.closest("[data-retry]")) retry(message);
  else if (target.closest("[data-edit]")) moveToComposer(item, message);
});

// Before the text that is there by now; without a composer the message stays where it is.
async function moveToComposer(item, { ref, text, names }) {
  const files = names && field() ? await askFileOutbox("get", { ref }) : null;
  if (!item.isConnected || !putBackText(text)) return;
  if (files) addFiles(files);
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
