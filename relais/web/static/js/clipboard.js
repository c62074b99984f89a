// <button class="copy" data-copy="text" data-copied-word="copié"> copies the text to the clipboard and confirms it.
const CONFIRMATION_MS = 1_500;

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    return selectContents(button); // No clipboard outside https: the reader can at least press Ctrl+C.
  }
  button.dataset.copied = button.dataset.copiedWord ?? "✓";
  setTimeout(() => delete button.dataset.copied, CONFIRMATION_MS);
});

function selectContents(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}
