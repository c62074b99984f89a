// A key alone presses the visible element with that `data-key`, unless something is being typed or a dialog is open.
const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.matches?.(TYPING) || document.querySelector("dialog[open]")) return;
  const key = CSS.escape(event.key);
  const element = key && [...document.querySelectorAll(`[data-key="${key}"]`)].find((each) => each.checkVisibility());
  if (!element) return;
  event.preventDefault();
  element.click();
});
