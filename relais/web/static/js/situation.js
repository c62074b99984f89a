// Who holds the conversation, what one may do, what is known of the client: asked again when an event changed it,
// without losing what is typed.
import { begin } from "./composer.js";

const CHANGES = /\bline--(agent_|conversation_closed|flow_|timeout|menu_choice|free_input)/;
const TICK = 15_000;
const NEAR = 2 * 3_600_000;
const chat = document.getElementById("chat");
const $ = (id) => document.getElementById(id);

let asking;

async function refresh() {
  const dialog = $("situation").querySelector("dialog[open]");
  if (dialog) return dialog.addEventListener("close", refresh, { once: true });
  asking?.abort(); // of two answers the later question's counts, whichever comes first
  const { signal } = (asking = new AbortController());
  const answer = await fetch(chat.dataset.situationUrl, { headers: { "X-Requested-With": "fetch" }, signal }).catch(() => null);
  const text = await answer?.text().catch(() => "");
  if (!text || signal.aborted) return;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const head = fresh.getElementById("situation");
  if (!head) return answer.status < 500 && location.reload(); // signed out, or out of reach
  chat.toggleAttribute("data-mine", head.hasAttribute("data-mine"));
  replaceKeepingFocus($("situation"), head);
  $("client").replaceChildren(...fresh.getElementById("client").childNodes);
  swapComposer(fresh.getElementById("composer"));
}

// Keyboard users keep their place when the head is replaced under them.
function replaceKeepingFocus(old, fresh) {
  const focused = old.contains(document.activeElement) && document.activeElement;
  old.replaceWith(fresh);
  if (!focused) return;
  const same = focused.dataset.opens && fresh.querySelector(`[data-opens="${focused.dataset.opens}"]`);
  (same || fresh.querySelector("[data-client]")).focus();
}

function swapComposer(fresh) {
  const old = $("composer").querySelector("[data-composer]");
  const now = fresh.querySelector("[data-composer]");
  if (old && now) {
    old.dataset.closes = now.dataset.closes;
    old.querySelector(".composer__window").replaceWith(now.querySelector(".composer__window"));
    return;
  }
  $("composer").replaceWith(fresh);
  begin();
}

function concerns(node) {
  if (node.nodeType !== Node.ELEMENT_NODE || Number(node.dataset.rev) <= Number($("situation").dataset.rev)) return false;
  return CHANGES.test(node.className) || node.dataset.author?.startsWith("client");
}

new MutationObserver((changes) => {
  if (changes.some(({ addedNodes }) => [...addedNodes].some(concerns))) refresh();
}).observe($("thread"), { childList: true });

function watchWindow() {
  const form = chat.querySelector("[data-composer]");
  if (!form) return;
  const left = Date.parse(form.dataset.closes) - Date.now();
  form.querySelector(".composer__window").classList.toggle("is-near", left < NEAR);
  if (left < 0) refresh();
}

watchWindow();
setInterval(watchWindow, TICK);
