// Ctrl/⌘ K opens the command bar and « ? » the sheet of keys, as do buttons with data-opens="command-bar" or "key-sheet";
// command_bar.js fills them and is loaded by the first one.
import { loadModule } from "./load_module.js";

const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

async function fill(dialog) {
  await loadModule(document.getElementById("command-bar").dataset.module).catch(() => null);
  dialog.dispatchEvent(new CustomEvent("relais:fill", { bubbles: true }));
}

function dialogOfKey({ key, ctrlKey, metaKey, shiftKey, altKey, target }) {
  if (altKey) return null;
  if ((ctrlKey || metaKey) && !shiftKey && key.toLowerCase() === "k") return "command-bar";
  return key === "?" && !ctrlKey && !metaKey && !target.matches?.(TYPING) ? "key-sheet" : null;
}

document.addEventListener("keydown", (event) => {
  const id = !event.defaultPrevented && !event.isComposing && dialogOfKey(event);
  const dialog = id && document.getElementById(id);
  if (!dialog) return;
  event.preventDefault(); // Ctrl K is the browser's search elsewhere
  if (dialog.open) return dialog.close();
  if (document.querySelector("dialog[open]")) return;
  dialog.showModal();
  fill(dialog);
});

document.addEventListener("click", ({ target }) => {
  const opener = target.closest("[data-opens=command-bar], [data-opens=key-sheet]");
  if (opener) fill(document.getElementById(opener.dataset.opens));
});
