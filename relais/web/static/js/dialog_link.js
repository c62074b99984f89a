// <a data-dialog href="…"> opens the dialog of that page over this one, once the module that the dialog names by
// `data-module` is loaded: what is typed into an open dialog is never missed. The module hears of each dialog that opens by
// relais:dialog-opened. Without scripts the link leads to the page.
import { loadModule } from "./load_module.js";
import { showNotice } from "./notices.js";

let isLoading = false;

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (!isLoading) openDialog(link);
});

// A link that is called a button reacts to the space bar, too.
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches?.("a[data-dialog][role=button]")) return;
  event.preventDefault();
  event.target.click();
});

// What is typed meanwhile is meant for the dialog: a letter must not act as a key of the page.
document.addEventListener("keydown", (event) => {
  const isLetter = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!isLoading || !isLetter || event.target.matches?.("input, textarea, select")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, { capture: true });

async function openDialog(link) {
  isLoading = true;
  const dialog = await loadDialog(link.href).finally(() => (isLoading = false));
  if (!dialog) return showNotice(document.getElementById("notices").dataset.offline, "error");
  // A live update may have replaced the link meanwhile; another conversation has other links.
  const isOffered = [...document.querySelectorAll("a[data-dialog]")].some(({ href }) => href === link.href);
  if (document.getElementById(dialog.id) || !isOffered) return;
  // Within the header, which is not replaced while one of its dialogs is open.
  (document.getElementById("chat-header") ?? document.body).append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  dialog.dispatchEvent(new CustomEvent("relais:dialog-opened", { bubbles: true }));
}

async function loadDialog(url) {
  const dialog = await fetchDialog(url);
  if (dialog?.dataset.module) await loadModule(dialog.dataset.module).catch(() => null); // it works without, as a page does
  return dialog;
}

async function fetchDialog(url) {
  try {
    const response = await fetch(url, { headers: { "X-Requested-With": "fetch" } });
    if (response.redirected) location.reload(); // signed out
    return new DOMParser().parseFromString(await response.text(), "text/html").querySelector("dialog");
  } catch { return null; }
}

// -- parts of a dialog that are loaded when it is first opened ------------------------------------------------------

document.addEventListener("toggle", ({ target, newState }) => {
  const part = newState === "open" && target.querySelector("[data-load]");
  if (part) loadPart(part);
}, { capture: true });

async function loadPart(part) {
  const response = await fetch(part.dataset.load, { headers: { "X-Requested-With": "fetch" } }).catch(() => null);
  if (!response?.ok || response.redirected || part.querySelector("input").value) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").body.firstElementChild;
  const hadFocus = part.contains(document.activeElement);
  part.replaceWith(fresh);
  if (hadFocus) fresh.querySelector("input").focus();
}
