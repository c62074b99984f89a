// <a data-dialog href="…"> opens the dialog of that page over this one, and loads the module that the dialog names by
// `data-module`. Without scripts the link leads to the page.
import { showNotice } from "./notices.js";

const loadedModules = new Set();
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

async function openDialog(link) {
  isLoading = true;
  const dialog = await fetchDialog(link.href).finally(() => (isLoading = false));
  if (!dialog) return showNotice(document.getElementById("notices").dataset.offline, "error");
  // A live update may have replaced the link meanwhile; another conversation has other links.
  const isOffered = [...document.querySelectorAll("a[data-dialog]")].some(({ href }) => href === link.href);
  if (document.getElementById(dialog.id) || !isOffered) return;
  // Within the header, which is not replaced while one of its dialogs is open.
  (document.getElementById("chat-header") ?? document.body).append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  loadModule(dialog.dataset.module);
}

async function fetchDialog(url) {
  try {
    const response = await fetch(url, { headers: { "X-Requested-With": "fetch" } });
    if (response.redirected) location.reload(); // signed out
    return new DOMParser().parseFromString(await response.text(), "text/html").querySelector("dialog");
  } catch { return null; }
}

// The module finds the open dialog by itself, and listens for later ones.
function loadModule(src) {
  if (!src || loadedModules.has(src)) return;
  loadedModules.add(src);
  document.head.append(Object.assign(document.createElement("script"), { type: "module", src }));
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
