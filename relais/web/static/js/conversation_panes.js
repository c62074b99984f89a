// Opens another conversation without a page load: fetches its header, timeline, composer and client panel as one fragment
// and replaces those of the previous one. The list beside them stays as it is.
import { showNotice } from "./notices.js";
import { chatElement, conversationId, dispatchConversationEvent } from "./open_conversation.js";

const CHAT_PATH = /^\/dashboard\/chat\/(\d+)\/?$/;
const PAGE_OF_TIMELINE = /[?&](before|after|around)=/;
const MAX_CACHED = 12;
const CACHE_MAX_AGE_MS = 30_000; // what changed since arrives by the socket, from the fragment's rev
const FETCH_TIMEOUT_MS = 10_000;
const cache = new Map(); // by conversation: { at, html: a promise }
let lastOpening = 0;

const panesUrl = (id, query = "") => `/dashboard/chat/${id}/panes${query}`;
const idIn = (url) => CHAT_PATH.exec(url.pathname)?.[1];

// Resolves to the fragment; to "" if the server gives none, and to null if it does not answer.
async function fetchPanes(id, query) {
  try {
    const response = await fetch(panesUrl(id, query), { headers: { "X-Requested-With": "fetch" }, signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    return response.ok && !response.redirected ? await response.text() : "";
  } catch { return null; }
}

export function prefetchConversation(id) {
  const cached = cache.get(id);
  if (cached && Date.now() - cached.at < CACHE_MAX_AGE_MS) return cached.html;
  const html = fetchPanes(id);
  cache.delete(id);
  cache.set(id, { html, at: Date.now() });
  html.then((text) => text || cache.delete(id));
  if (cache.size > MAX_CACHED) cache.delete(cache.keys().next().value);
  return html;
}

// -- replacing the panes --------------------------------------------------------------------------------------------

// Resolves to whether the panes show the conversation now. The last one asked for wins, in whatever order responses
// arrive. Where the server gives no fragment, `load` loads the page, which says why.
async function showConversation(id, load) {
  const turn = ++lastOpening;
  const html = await prefetchConversation(id);
  if (turn !== lastOpening) return false;
  if (html) replacePanes(id, new DOMParser().parseFromString(html, "text/html"));
  else if (html === null) showNotice(document.getElementById("notices").dataset.offline, "error");
  else load();
  return Boolean(html);
}

function replacePanes(id, page) {
  cache.delete(id); // it changes from now on
  dispatchConversationEvent("left", conversationId());
  document.querySelector("dialog[open]")?.close();
  for (const pane of ["chat", "client"]) {
    const fresh = page.getElementById(pane);
    document.getElementById(pane).replaceWith(fresh);
    window.htmx?.process(fresh);
  }
  document.title = chatElement().dataset.title;
  dispatchConversationEvent("opened", id);
  if (document.activeElement === document.body) document.querySelector("[data-thread]").focus({ preventScroll: true });
}

const isShown = (id) => id === conversationId() && !chatElement().hasAttribute("data-earlier-page");

// Shows the part of the open conversation's timeline around an element.
export async function openAround(elementId) {
  const id = conversationId();
  const turn = ++lastOpening;
  const html = await fetchPanes(id, `?around=${elementId}`);
  if (turn === lastOpening && html) replacePanes(id, new DOMParser().parseFromString(html, "text/html"));
}

// Opens a conversation as its link does: the history gets an entry with the link's address.
export async function openConversation(href) {
  const url = new URL(href, location.href);
  const id = idIn(url);
  const isOpen = isShown(id);
  const depth = (history.state?.depth ?? 0) + (isOpen && url.href === location.href ? 0 : 1);
  if (!isOpen && !(await showConversation(id, () => location.assign(url)))) return;
  if (isOpen) document.querySelector("[data-composer] textarea")?.focus();
  if (url.href !== location.href) history.pushState({ depth }, "", url);
  dispatchHash();
}

// A hash names an element of the conversation, such as #message-123.
export function dispatchHash() {
  if (location.hash) document.dispatchEvent(new CustomEvent("relais:hash", { detail: { id: location.hash.slice(1) } }));
}

addEventListener("popstate", async () => {
  const id = idIn(location);
  if (!id || PAGE_OF_TIMELINE.test(location.search)) return location.reload();
  if (isShown(id)) lastOpening += 1; // cancels an opening that is still under way
  else if (!(await showConversation(id, () => location.reload()))) return;
  dispatchHash();
});

const isPlainClick = (event) => event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

function linkToConversation(target) {
  const link = target.closest?.(".desk a[href]");
  return link && !link.target && link.origin === location.origin && !link.search && idIn(link) ? link : null;
}

document.addEventListener("click", (event) => {
  const link = linkToConversation(event.target);
  if (!link || event.defaultPrevented || !isPlainClick(event)) return;
  event.preventDefault();
  openConversation(link.href);
});

// -- prefetching ----------------------------------------------------------------------------------------------------

const HOVER_DELAY_MS = 65;
let hoverTimer;

function prefetchLink(target) {
  const link = linkToConversation(target);
  if (link && !isShown(idIn(link))) prefetchConversation(idIn(link));
}

document.addEventListener("pointerover", ({ target, pointerType }) => {
  clearTimeout(hoverTimer);
  if (pointerType === "mouse") hoverTimer = setTimeout(() => prefetchLink(target), HOVER_DELAY_MS);
});
document.addEventListener("pointerdown", ({ target }) => prefetchLink(target));
document.addEventListener("focusin", ({ target }) => target.matches(".row__open") && prefetchLink(target));
document.addEventListener("relais:row", ({ detail }) => cache.delete(String(detail.conversation)));
