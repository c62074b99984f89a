// Users can turn shortcuts of one character off (WCAG 2.1.4). First of all listeners, so that no other sees such a key.
const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

export const singleKeysAreOn = () => document.body.dataset.singleKeys !== "off";

function isSingleKey({ key, ctrlKey, metaKey, altKey, target }) {
  if (ctrlKey || metaKey || altKey || key === " ") return false; // the space bar presses buttons
  return [...(key ?? "")].length === 1 && !target.closest?.(TYPING);
}

addEventListener("keydown", (event) => {
  if (isSingleKey(event) && !singleKeysAreOn()) event.stopImmediatePropagation();
}, { capture: true });
