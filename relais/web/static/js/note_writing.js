// Writing a note: Enter adds it, Escape closes the composer, its text is stored in the browser until it is added.
import { loadNote, saveNote } from "./draft_storage.js";
import { insertFragment } from "./insert_fragment.js";
import { conversationId } from "./open_conversation.js";
import { errorText, post } from "./post.js";
import { newRef } from "./ref.js";

const composer = () => document.getElementById("note-composer");
const field = () => composer().querySelector("[data-note-text]");

export function setNoteText(text) {
  field().value = text;
  saveNote(conversationId(), text);
}

function showProblem(sentence) {
  const problem = composer().querySelector("[data-note-problem]");
  problem.hidden = !sentence;
  problem.textContent = sentence;
}

document.addEventListener("keydown", (event) => {
  if (!event.target.closest?.("[data-note-form]") || event.defaultPrevented) return;
  if (event.key === "Escape") composer().querySelector("[data-note-toggle]").click();
  else if (event.target !== field() || event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  else if (field().value.trim()) event.target.form.requestSubmit();
  event.preventDefault();
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
  const text = field().value;
  const note = { conversation: conversationId(), url: event.target.action, text, ref: failed.text === text ? failed.ref : newRef() };
  setNoteText("");
  queue = queue.then(() => store(note));
});

async function store(note) {
  const response = await post(note.url, { body: note.text, ref: note.ref }, { keepalive: true });
  const isShown = note.conversation === conversationId();
  if (!response.success) {
    failed = note;
    if (!isShown) return saveNote(note.conversation, [note.text, loadNote(note.conversation)].filter(Boolean).join("\n"));
    setNoteText([note.text, field().value].filter(Boolean).join("\n"));
    return showProblem(errorText(response));
  }
  if (!isShown) return;
  insertFragment(response.html);
  document.dispatchEvent(new CustomEvent("relais:note-saved"));
  document.querySelector("[data-thread]").scrollTo({ top: 0 });
}

// Typed before this was loaded.
if (field().value) saveNote(conversationId(), field().value);
