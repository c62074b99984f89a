// Notes in the history: their author edits or deletes them while it is possible; a mention of the reader is marked read.
import { insertFragment } from "./insert_fragment.js";
import { chatElement } from "./open_conversation.js";
import { showNotice } from "./notices.js";
import { errorText, post } from "./post.js";

const REFRESH_INTERVAL_MS = 15_000;
const { user } = document.body.dataset;

function markOwnNotes() {
  for (const note of document.querySelectorAll(`.note[data-author="agent:${user}"]`))
    note.toggleAttribute("data-own", Date.parse(note.dataset.editableUntil) > Date.now());
}

const editorTemplate = () => document.querySelector("[data-note-editor]");
const deleteDialog = () => document.getElementById("note-delete-dialog");

function openEditor(note) {
  if (note.querySelector(".note-editor")) return;
  const editor = editorTemplate().content.firstElementChild.cloneNode(true);
  editor.action = note.dataset.url;
  editor.elements.body.value = note.querySelector(".note__text").textContent;
  note.querySelector(".note__body").append(editor);
  note.toggleAttribute("data-editing", true);
  editor.elements.body.focus();
}

function closeEditor(note) {
  note.querySelector(".note-editor")?.remove();
  note.removeAttribute("data-editing");
  note.querySelector("[data-note-edit]").focus();
}

async function saveEdit(editor) {
  const response = await post(editor.action, { body: editor.elements.body.value });
  if (response.success) return show(response.html);
  const problem = editor.querySelector("[data-note-problem]");
  problem.hidden = false;
  problem.textContent = errorText(response);
}

async function deleteNote(note) {
  const dialog = deleteDialog();
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "delete") return;
  const response = await post(`${note.dataset.url}/delete`);
  if (response.success) show(response.html);
  else showNotice(errorText(response), "error");
}

function show(html) {
  insertFragment(html);
  markOwnNotes();
}

document.addEventListener("click", ({ target }) => {
  const note = target.closest(".note");
  if (!note) return;
  if (target.closest("[data-note-edit]")) openEditor(note);
  else if (target.closest("[data-note-cancel]")) closeEditor(note);
  else if (target.closest("[data-note-delete]")) deleteNote(note);
});
document.addEventListener("keydown", (event) => {
  const editor = event.target.closest?.(".note-editor");
  if (!editor || event.isComposing) return;
  if (event.key === "Escape") closeEditor(editor.closest(".note"));
  else if (event.key !== "Enter" || event.shiftKey) return;
  else editor.requestSubmit();
  event.preventDefault();
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches(".note-editor")) return;
  event.preventDefault();
  saveEdit(event.target);
});

// -- mentions of the reader ---------------------------------------------------------------------------------------

let hasUnreadMention = false;

function markMentionRead() {
  if (!hasUnreadMention || document.hidden) return;
  hasUnreadMention = false;
  post(chatElement().dataset.readUrl);
}

document.addEventListener("visibilitychange", markMentionRead);
document.addEventListener("relais:frame", ({ detail }) => {
  if (detail.kind !== "note") return;
  markOwnNotes();
  const note = document.getElementById(`note-${detail.id}`);
  if (!note?.dataset.mentions?.split(" ").includes(user)) return;
  hasUnreadMention = true;
  markMentionRead();
});

document.addEventListener("relais:conversation-opened", () => {
  hasUnreadMention = document.querySelector(`.note[data-mentions~="${user}"]`) !== null;
  markOwnNotes();
  markMentionRead();
});
document.addEventListener("relais:note-saved", markOwnNotes);
document.addEventListener("htmx:afterSwap", markOwnNotes);
setInterval(() => document.hidden || markOwnNotes(), REFRESH_INTERVAL_MS);
