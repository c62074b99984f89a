// Conversation lists that update themselves: a row is added, removed or moved by the list's own membership rule.
import { WINDOW_WARNING_MS } from "./service_window.js";

const currentUser = document.body.dataset.user;
const WINDOW_CHECK_INTERVAL_MS = 30_000;
const STATS_RELOAD_DELAY_MS = 2_000;

const membershipRules = {
  pending: (row) => row.situation === "waiting",
  active: (row) => row.situation === "bot" || row.situation === "held",
  mine: (row) => row.situation === "held" && row.agent === currentUser,
  bot: (row) => row.situation === "bot",
  held: (row) => row.situation === "held",
  all: () => true,
  found: () => null, // the result of a search: its rows are updated, none is added or removed
};
const lists = () => document.querySelectorAll("[data-list]");
const sinceOf = (row) => Date.parse(row.dataset.since);

export function updateRow(id, html) {
  const fresh = html ? new DOMParser().parseFromString(html, "text/html").querySelector(".row") : null;
  lists().forEach((list) => updateRowInList(list, document.getElementById(`row-${id}`), fresh));
}

function updateRowInList(list, row, fresh) {
  const current = row && list.contains(row) ? row : null;
  const belongs = fresh && membershipRules[list.dataset.list](fresh.dataset);
  if (current && fresh && Number(current.dataset.rev) > Number(fresh.dataset.rev)) return;
  if (!fresh || belongs === false) return current?.remove();
  if (belongs === null) return current?.replaceWith(fresh.cloneNode(true));
  const next = [...list.children].find((other) => other !== current && comesBefore(list, fresh, other));
  if (!current && isOnAnotherPage(list, next)) return;
  const inserted = fresh.cloneNode(true);
  const focusSelector = current?.contains(document.activeElement) && document.activeElement.matches(".row__action") ? ".row__action" : ".row__open";
  const hadFocus = current?.contains(document.activeElement);
  current?.remove();
  list.insertBefore(inserted, next ?? null);
  if (hadFocus) inserted.querySelector(focusSelector)?.focus();
  highlightCurrent(list);
}

const comesBefore = (list, a, b) => (list.dataset.list === "pending" ? sinceOf(a) < sinceOf(b) : sinceOf(a) > sinceOf(b));
// The row belongs to the previous or the next page of this list.
function isOnAnotherPage(list, next) {
  return (!next && list.hasAttribute("data-has-next")) || (next && next === list.firstElementChild && list.hasAttribute("data-has-previous"));
}

// Beside a conversation, its own row is highlighted.
function highlightCurrent(list) {
  const id = list.dataset.current;
  if (id) list.querySelector(`[data-conversation="${id}"] .row__open`)?.setAttribute("aria-current", "page");
}

document.addEventListener("relais:conversation-opened", ({ detail }) => {
  for (const list of document.querySelectorAll("[data-current]")) {
    list.dataset.current = detail.conversation;
    list.querySelectorAll("[aria-current]").forEach((link) => link.removeAttribute("aria-current"));
    highlightCurrent(list);
  }
});

function updateWindowChips() {
  for (const chip of document.querySelectorAll("[data-window]")) {
    const remainingMs = Date.parse(chip.dataset.window) - Date.now();
    chip.hidden = remainingMs <= 0 || remainingMs > WINDOW_WARNING_MS;
  }
  for (const chip of document.querySelectorAll("[data-window-closed]")) chip.hidden = Date.parse(chip.dataset.windowClosed) > Date.now();
}

// -- reload after a disconnection ------------------------------------------------------------------------------------

// A response is discarded when a newer request was made, or when the page's address changed because a filter was typed.
const reloadUrl = () => document.querySelector("[data-reload-url]")?.dataset.reloadUrl ?? location.href;
let request;

async function reloadLists() {
  request?.abort();
  const { signal } = (request = new AbortController());
  const url = reloadUrl();
  const page = await fetchPage(url, signal);
  if (signal.aborted || !page) return;
  if (url !== reloadUrl()) return reloadLists();
  const { dataset } = page.querySelector("[data-position]");
  document.body.dataset.position = dataset.position;
  replaceContents(page, ["[data-list]", "#stats"]);
}

async function fetchPage(url, signal) {
  try {
    const response = await fetch(url, { headers: { "X-Requested-With": "fetch" }, signal });
    if (response.redirected) return location.reload(); // signed out
    return response.ok ? new DOMParser().parseFromString(await response.text(), "text/html") : null;
  } catch { return null; }
}

function replaceContents(page, selectors) {
  const focusedRow = document.activeElement.closest?.(".row");
  const focusSelector = document.activeElement.classList[0] === "row__open" ? ".row__open" : ".row__action";
  for (const selector of selectors) {
    const current = document.querySelectorAll(selector);
    page.querySelectorAll(selector).forEach((element, n) => current[n]?.replaceChildren(...element.childNodes));
  }
  if (focusedRow && !focusedRow.isConnected) document.getElementById(focusedRow.id)?.querySelector(focusSelector)?.focus();
  lists().forEach(highlightCurrent);
}

// A filter's response is discarded when the form has changed since: the next one is on its way.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const form = detail.requestConfig.elt.closest("[role=search]");
  if (form && filledFields(detail.requestConfig.formData) !== filledFields(new FormData(form))) detail.shouldSwap = false;
});
const filledFields = (fields) => new URLSearchParams([...fields].filter(([, value]) => value)).toString();

// -- the statistics of the dashboard ------------------------------------------------------------------------------------

const stats = document.getElementById("stats");
const countsOf = ({ pending, mine, unread_mine, held, bot }) => [pending, mine, unread_mine, held, bot].join(" ");
let shownCounts = stats?.dataset.counts;
let statsTimer;

async function reloadStats() {
  const page = await fetchPage(stats.dataset.url);
  if (page) replaceContents(page, ["#stats"]);
}

document.addEventListener("relais:row", ({ detail }) => updateRow(detail.conversation, detail.html));
document.addEventListener("relais:refresh", reloadLists);
document.addEventListener("relais:counts", ({ detail }) => {
  if (!stats || shownCounts === countsOf(detail)) return;
  shownCounts = countsOf(detail);
  clearTimeout(statsTimer);
  statsTimer = setTimeout(reloadStats, STATS_RELOAD_DELAY_MS);
});
lists().forEach(highlightCurrent);
updateWindowChips();
setInterval(updateWindowChips, WINDOW_CHECK_INTERVAL_MS);
