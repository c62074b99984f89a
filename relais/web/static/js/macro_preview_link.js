// Opens the preview of a macro as the button « Macros » opens its dialog (dialog_link.js). Only beside a conversation.
export const macrosButton = () => document.querySelector("a[data-macros]");

export function openMacroPreview(id) {
  const link = Object.assign(document.createElement("a"), { href: `${macrosButton().getAttribute("href")}/${id}`, hidden: true });
  link.dataset.dialog = "";
  document.querySelectorAll("#chat > a[data-dialog][hidden]").forEach((earlier) => earlier.remove());
  document.getElementById("chat").append(link);
  link.click();
}
