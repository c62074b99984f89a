// Refreshes what changes with the conversation's state: its header (holder, actions), the client panel and the composer,
// whose text is kept. Requested again when an event that changed them arrives.
import { initComposer } from "./composer.js";
import { chatElement } from "./open_conversation.js";
import { readServerTime } from "./server_clock.js";
import { windowState } from "./service_window.js";

const STATE_CHANGING_EVENT = /\bline--(agent_|conversation_|flow_|timeout|menu_choice|free_input|note|tags_|snooze|error)/;
const $ = (id) => document.getElementById(id);

let request;

export async function refreshHeader() {
  const chat = chatElement();
  if (waitForDialog()) return;
  request?.abort(); // the latest request wins, in whatever order responses arrive
  const { signal } = (request = new AbortController());
  const response = await fetch(chat.dataset.headerUrl, { headers: { "X-Requested-With": "fetch" }, signal }).catch(() => null);
  const html = await response?.text().catch(() => "");
  if (!html || signal.aborted || waitForDialog()) return;
  readServerTime(response);
  const page = new DOMParser().parseFromString(html, "text/html");
  const header = page.getElementById("chat-header");
  if (!header) return response.status < 500 && location.reload(); // signed out, or no permission any more
  for (const name of ["data-mine", "data-may-resend"]) chat.toggleAttribute(name, header.hasAttribute(name));
  replaceKeepingFocus($("chat-header"), header);
  // An open form of the client's data stays as it is.
  if (!$("client").querySelector("form[data-client-form]:focus-within, [data-client-details] > form"))
    $("client").replaceChildren(...page.getElementById("client").childNodes);
  updateComposer(page.getElementById("composer"));
}

// A dialog is part of the header: while one is open, or opened during the request, nothing is replaced.
function waitForDialog() {
  const dialog = $("chat-header").querySelector("dialog[open]");
  dialog?.addEventListener("close", refreshHeader, { once: true });
  return dialog;
}

// Keyboard users keep the focus when the header is replaced.
function replaceKeepingFocus(current, fresh) {
  const focused = current.contains(document.activeElement) && document.activeElement;
  current.replaceWith(fresh);
  if (!focused) return;
  const sameButton = focused.dataset.opens && fresh.querySelector(`[data-opens="${focused.dataset.opens}"]`);
  (sameButton || fresh.querySelector("[data-client]")).focus();
}

function updateComposer(fresh) {
  const currentForm = $("composer").querySelector("[data-composer]");
  const freshForm = fresh.querySelector("[data-composer]");
  if (currentForm && freshForm) {
    currentForm.dataset.closes = freshForm.dataset.closes;
    currentForm.querySelector(".composer__window").replaceWith(freshForm.querySelector(".composer__window"));
    return;
  }
  $("composer").replaceWith(fresh);
  initComposer();
}

function changesHeader(node) {
  if (node.nodeType !== Node.ELEMENT_NODE || Number(node.dataset.rev) <= Number($("chat-header").dataset.rev)) return false;
  return STATE_CHANGING_EVENT.test(node.className) || node.dataset.author?.startsWith("client");
}

const additions = new MutationObserver((changes) => {
  if (changes.some(({ addedNodes }) => [...addedNodes].some(changesHeader))) refreshHeader();
});

function checkWindow() {
  const form = chatElement().querySelector("[data-composer]");
  if (!form) return;
  const state = windowState(form.dataset.closes);
  form.querySelector(".composer__window").classList.toggle("is-closing-soon", state === "soon");
  if (state === "closed") refreshHeader();
}

document.addEventListener("relais:conversation-left", () => {
  request?.abort();
  additions.disconnect();
});
document.addEventListener("relais:conversation-opened", () => {
  additions.observe($("thread"), { childList: true });
  checkWindow();
});
document.addEventListener("relais:clock-ticked", checkWindow);
