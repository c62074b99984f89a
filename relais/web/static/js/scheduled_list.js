// Scheduled messages under the newest message: each in the order of its time, as frames arrive. Who may edit or cancel one is
// told by rules of a style sheet, since the fragment is the same for every viewer: its author, and to cancel supervisors.
import { chatElement } from "./open_conversation.js";
import { errorText, post } from "./post.js";
import { showNotice } from "./notices.js";

const WINDOW_MS = 24 * 3_600_000; // as SERVICE_WINDOW in service_window.py
const { user, role } = document.body.dataset;
const sheet = new CSSStyleSheet();
document.adoptedStyleSheets.push(sheet);
const own = `[data-scheduled][data-author="agent:${user}"]`;
const cancellable = role === "agent" ? own : "[data-scheduled]";
sheet.replaceSync(`@layer components {
  [data-mine] ${own} :is(.scheduled__edit, .scheduled__own) { display: inline-flex; }
  ${cancellable} .scheduled__cancel { display: inline-flex; } }`);

const list = () => document.getElementById("scheduled");

// The newest version of one wins, in whatever order frames and answers arrive; one that has left stays as a hidden element.
export function showScheduled(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
  if (!fresh || !list()) return;
  const current = document.getElementById(fresh.id);
  if (current && Number(current.dataset.rev) > Number(fresh.dataset.rev)) return;
  current?.remove();
  const later = [...list().children].find(({ dataset }) => Date.parse(dataset.sendAt) > Date.parse(fresh.dataset.sendAt));
  list().insertBefore(fresh, later ?? null);
}

document.addEventListener("relais:scheduled", ({ detail }) => detail.html && showScheduled(detail.html));

// The client's message opens the window for another day.
document.addEventListener("relais:frame", ({ detail }) => {
  const message = detail.kind === "message" ? document.getElementById(`message-${detail.id}`) : null;
  if (!message?.dataset.author?.startsWith("client")) return;
  const closes = Date.parse(message.dataset.at) + WINDOW_MS;
  for (const item of list().children) item.querySelector("[data-outside-window]")?.toggleAttribute("hidden", Date.parse(item.dataset.sendAt) < closes);
});

document.addEventListener("submit", async (event) => {
  if (!event.submitter?.matches("[data-cancel-scheduled]")) return;
  event.preventDefault();
  const button = event.submitter;
  button.disabled = true;
  const response = await post(button.formAction);
  if (response.success) return showScheduled(response.html);
  button.disabled = false;
  showNotice(errorText(response), "error");
});

document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.code !== "KeyP" || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
  const link = chatElement()?.querySelector("[data-composer] [aria-keyshortcuts='Alt+P']");
  if (!link || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  link.click();
});
