// The dialog of templates: search while typing, arrows between the results, a live preview of the values, and sending
// without leaving the page. The message appears through the socket, like every other.
import { newRef } from "./ref.js";
import { filterItems } from "./text_filter.js";
import "./template_preview.js";
import { errorText, post } from "./post.js";
import "./schedule_times.js";

const dialog = () => document.querySelector("[data-template-dialog]");
const choices = () => [...dialog().querySelectorAll("[data-template]")].filter((link) => link.offsetParent);

function filter(query) {
  const found = filterItems(dialog().querySelectorAll("li:has(> [data-template])"), query);
  dialog().querySelector("[data-template-none]").hidden = found.length > 0;
}

async function show(url) {
  const response = await fetch(url, { headers: { "X-Requested-With": "fetch" } }).catch(() => null);
  if (!response?.ok || response.redirected) return location.assign(url);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("dialog");
  dialog().replaceChildren(...fresh.childNodes);
  dialog().querySelector("[autofocus]")?.focus();
}

async function send(form) {
  const button = form.querySelector("[type=submit]");
  if (button.disabled) return;
  button.disabled = true;
  const fields = new FormData(form);
  fields.set("undo", "1");
  const answer = await post(form.action, fields);
  button.disabled = false;
  if (answer.success) return form.closest("dialog").close();
  const problem = form.querySelector("[data-template-problem]");
  problem.textContent = errorText(answer);
  problem.hidden = false;
  // After a refusal the next attempt is another message; without an answer it may be the same.
  if (answer.status >= 400 && answer.status < 500) form.elements.ref.value = newRef();
}

document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-template-search]")) filter(target.value);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-template-dialog]:modal [data-template]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.href);
});

document.addEventListener("submit", (event) => {
  const isModal = event.target.closest("[data-template-dialog]:modal");
  if (!isModal || !event.target.matches("[data-template-form], [role=search]")) return;
  event.preventDefault();
  if (event.target.matches("[data-template-form]")) send(event.target);
  else choices()[0]?.click();
});

document.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp"].includes(event.key) || !event.target.closest?.("[data-template-dialog] [role=search]")) return;
  const links = choices();
  const next = links.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1);
  event.preventDefault();
  (links[next] ?? (next < 0 ? dialog().querySelector("[data-template-search]") : links.at(-1)))?.focus();
});
