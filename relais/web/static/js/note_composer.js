// The note composer takes the place of the message composer: by its button or Alt+N, until it is closed the same way or by
// Escape. It stays open after a note, so that the next one does not go to the client by mistake. Its text is stored.
import { loadNote, saveNote } from "./draft_storage.js";
import { insertFragment } from "./insert_fragment.js";
import { chatElement, conversationId } from "./open_conversation.js";
import { errorText, post } from "./post.js";
import { newRef } from "./ref.js";
import { scrollToNewest } from "./thread.js";

const composer = () => document.getElementById("note-composer");
const form = () => composer()?.querySelector("[data-note-form]");
const isOpen = () => composer()?.matches("[data-open], :target");

export function openNoteComposer(text) {
  composer().toggleAttribute("data-open", true);
  if (text !== undefined) setText(text);
  form().elements.body.focus();
}

function closeNoteComposer() {
  composer().removeAttribute("data-open");
  if (composer().matches(":target")) location.hash = "chat";
  (chatElement().querySelector("[data-composer] textarea") ?? chatElement().querySelector("#composer [data-note-toggle]"))?.focus();
}

const toggle = () => (isOpen() ? closeNoteComposer() : openNoteComposer());

function setText(text) {
  form().elements.body.value = text;
  saveNote(conversationId(), text);
}

function showProblem(sentence) {
  const problem = form().querySelector("[data-note-problem]");
  problem.hidden = !sentence;
  problem.textContent = sentence;
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-note-toggle]")) return;
  event.preventDefault();
  toggle();
});
document.addEventListener("keydown", (event) => {
  if (!composer() || event.defaultPrevented) return;
  const isShortcut = event.altKey && event.code === "KeyN" && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (isShortcut && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    toggle();
  } else if (!composer().contains(event.target) || event.target.closest("dialog")) {
    return;
  } else if (event.key === "Escape") {
    event.preventDefault();
    closeNoteComposer();
  } else if (event.target.matches("[data-note-text]") && event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
    event.preventDefault();
    if (event.target.value.trim()) form().requestSubmit();
  }
});
document.addEventListener("input", ({ target }) => {
  if (!target.matches("[data-note-text]")) return;
  showProblem("");
  saveNote(conversationId(), target.value);
});

// One after the other, so that notes are stored in the order they were written; the reader may write on meanwhile.
let queue = Promise.resolve();
let failed = { text: "", ref: "" }; // sent again with the same ref, which stores it once, if it is not changed

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-note-form]")) return;
  event.preventDefault();
  const text = event.target.elements.body.value;
  const note = { conversation: conversationId(), url: event.target.action, text, ref: failed.text === text ? failed.ref : newRef() };
  setText("");
  queue = queue.then(() => store(note));
});

async function store(note) {
  const response = await post(note.url, { body: note.text, ref: note.ref }, { keepalive: true });
  const isShown = note.conversation === conversationId();
  if (!response.success) {
    failed = note;
    if (!isShown) return saveNote(note.conversation, [note.text, loadNote(note.conversation)].filter(Boolean).join("\n"));
    setText([note.text, form().elements.body.value].filter(Boolean).join("\n"));
    return showProblem(errorText(response));
  }
  if (!isShown) return;
  insertFragment(response.html);
  document.dispatchEvent(new CustomEvent("relais:note-saved"));
  scrollToNewest();
}

document.addEventListener("relais:conversation-opened", () => {
  if (!form()) return;
  const text = loadNote(conversationId());
  if (!text) return;
  form().elements.body.value = text;
  composer().toggleAttribute("data-open", true);
});
