// <button data-inserts="{client}" data-into="id"> inserts its text where the caret is in that field.
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-inserts]");
  if (!button) return;
  const field = document.getElementById(button.dataset.into);
  field.setRangeText(button.dataset.inserts, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  field.focus();
});
