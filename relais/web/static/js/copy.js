// <button class="copy" data-copy="text" data-copied-word="copié"> puts the text on the clipboard and says so.
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    return select(button); // No clipboard outside https: the reader can at least press Ctrl+C.
  }
  button.dataset.copied = button.dataset.copiedWord ?? "✓";
  setTimeout(() => delete button.dataset.copied, 1500);
});

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}
