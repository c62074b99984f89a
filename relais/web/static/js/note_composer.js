// The note composer takes the place of the message composer: by its button or Alt+N, until it is closed the same way or by
// Escape. It stays open after a note, so that the next one does not go to the client by mistake.
import { loadNote, saveNote } from "./draft_storage.js";
import { hasNoteTools, loadNoteTools } from "./load_note_tools.js";
import { chatElement, conversationId } from "./open_conversation.js";

const composer = () => document.getElementById("note-composer");
const field = () => composer().querySelector("[data-note-text]");

function toggle() {
  const wasTarget = composer().matches(":target");
  const opens = !wasTarget && !composer().hasAttribute("data-open");
  composer().toggleAttribute("data-open", opens);
  if (wasTarget) location.hash = "chat";
  (opens ? field() : chatElement().querySelector("[data-composer] textarea, #composer [data-note-toggle]"))?.focus();
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-note-toggle]")) return;
  event.preventDefault();
  toggle();
});
document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.code !== "KeyN" || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (!composer() || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  toggle();
});
document.addEventListener("focusin", ({ target }) => target.matches("[data-note-text]") && loadNoteTools());
// Until they are loaded nothing typed is lost, and Enter waits for them.
document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-note-text]") && !hasNoteTools()) saveNote(conversationId(), target.value);
});
document.addEventListener("keydown", async (event) => {
  const { target } = event;
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !target.matches("[data-note-text]") || hasNoteTools()) return;
  event.preventDefault();
  await loadNoteTools();
  if (target.isConnected) target.form.requestSubmit();
});
document.addEventListener("relais:conversation-opened", () => {
  const text = composer() && loadNote(conversationId());
  if (!text) return;
  field().value = text;
  composer().toggleAttribute("data-open", true);
});

// What changes a note, or asks about a message, is loaded when it is first needed; then what needed it is repeated.
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-note-edit], [data-note-delete]");
  if (!button || hasNoteTools()) return;
  await loadNoteTools();
  if (hasNoteTools()) button.click();
});
const MAY_BE_INTERNAL = /@|client|customer|intern|nous|\blui\b|\bleur\b|العميل|الزبون|داخلية/i;
const unchecked = new WeakSet(); // forms that are submitted although the tools could not be loaded
document.addEventListener("submit", async (event) => {
  const { target, submitter } = event;
  if (!target.matches("[data-composer]") || hasNoteTools() || unchecked.delete(target) || !MAY_BE_INTERNAL.test(target.elements.message.value)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  await loadNoteTools();
  if (!hasNoteTools()) unchecked.add(target);
  if (target.isConnected) target.requestSubmit(submitter);
}, { capture: true });
