// Choosing a macro in its dialog: typing filters, arrows move among the links, Enter opens the first or the focused one.
// A link shows its page in the same dialog.
import { filterItems } from "./text_filter.js";

const dialogOf = (target) => target.closest?.("dialog[data-macro-dialog]");
const linksOf = (dialog) => [...dialog.querySelectorAll("[data-macro-list] a")].filter((link) => !link.parentElement.hidden);

function filter(dialog) {
  const field = dialog.querySelector("[data-macro-filter]");
  if (!field) return;
  filterItems(dialog.querySelectorAll("[data-macro-list] > li"), field.value.replaceAll("/", " "));
  dialog.querySelector("[data-macro-none]").hidden = linksOf(dialog).length > 0;
}

async function show(dialog, href) {
  const response = await fetch(href, { headers: { "X-Requested-With": "fetch" } }).catch(() => null);
  if (response?.redirected) return location.reload(); // signed out
  const fresh = new DOMParser().parseFromString((await response?.text().catch(() => "")) ?? "", "text/html").querySelector("dialog");
  if (!fresh) return location.assign(href);
  if (!dialog.open) return;
  dialog.replaceChildren(...fresh.childNodes);
  dialog.scrollTop = 0;
  (dialog.querySelector("[autofocus]") ?? dialog.querySelector("button[data-closes]")).focus();
}

function moveFocus(dialog, step) {
  const links = linksOf(dialog);
  const index = links.indexOf(document.activeElement) + step;
  (index < 0 ? dialog.querySelector("[data-macro-filter]") : links[Math.min(index, links.length - 1)])?.focus();
}

document.addEventListener("input", ({ target }) => target.matches("[data-macro-filter]") && filter(dialogOf(target)));
document.addEventListener("submit", (event) => {
  const dialog = event.target.querySelector("[data-macro-filter]") && dialogOf(event.target);
  if (!dialog) return;
  event.preventDefault();
  linksOf(dialog)[0]?.click();
});
document.addEventListener("keydown", (event) => {
  const dialog = dialogOf(event.target);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !dialog?.querySelector("[data-macro-list]") || event.isComposing) return;
  event.preventDefault();
  moveFocus(dialog, step);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-macro-open]");
  const dialog = link && dialogOf(link);
  if (!dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(dialog, link.href);
});
