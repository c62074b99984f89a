// A quick reply with choices opens the dialog of choices; choices_dialog.js takes what is to be filled in from the link.
export function openSavedChoices({ text, choices }) {
  const link = document.querySelector("#composer a[data-dialog][href$='/send-choices']");
  if (!link) return;
  link.dataset.filled = JSON.stringify({ text, choices });
  link.click();
}
