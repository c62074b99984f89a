// The author edits a note in its place, or deletes it.
import { insertFragment } from "./insert_fragment.js";
import { errorText, post } from "./post.js";

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
  if (response.success) return show(response.html);
  const problem = Object.assign(document.createElement("p"), { className: "note-form__problem", textContent: errorText(response) });
  problem.setAttribute("role", "alert");
  note.querySelector(".note__body").append(problem);
}

function show(html) {
  insertFragment(html);
  document.dispatchEvent(new CustomEvent("relais:note-saved"));
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
