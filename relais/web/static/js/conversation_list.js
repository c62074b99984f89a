// Conversation lists that update themselves: a row is added, removed or moved by the list's own membership rule.
import { belongsTo, comesBefore, isFixed, rowsOf } from "./list_rules.js";
import { readServerTime } from "./server_clock.js";
import { windowState } from "./service_window.js";

const STATS_RELOAD_DELAY_MS = 2_000;
const lists = () => document.querySelectorAll("[data-list]");
const rowIn = (list, id) => rowsOf(list).find((row) => row.dataset.conversation === String(id));

// Dispatched after rows were added, moved, replaced or removed.
export const dispatchListChanged = () => document.dispatchEvent(new CustomEvent("relais:list-changed"));

export function updateRow(id, html) {
  const fresh = html ? new DOMParser().parseFromString(html, "text/html").querySelector(".row") : null;
  for (const list of lists()) {
    const current = rowIn(list, id);
    if (current && fresh && Number(current.dataset.rev) > Number(fresh.dataset.rev)) continue;
    if (fresh && isReading(list) && !staysInPlace(list, current, fresh)) moveLater(list, current, fresh);
    else keepingPlace(list, () => updateRowInList(list, current, fresh));
  }
  dispatchListChanged();
}

function updateRowInList(list, current, fresh) {
  const belongs = fresh && belongsTo(list, fresh);
  if (!fresh || belongs === false) return current?.remove();
  if (belongs === null && (!current || isFixed(list, fresh))) return current && replaceRow(list, current, fresh);
  const next = nextOf(list, current, fresh);
  if (!current && isOnAnotherPage(list, next)) return;
  if (current && next === nextRow(current)) return replaceRow(list, current, fresh);
  const focusSelector = focusedPart(current);
  current?.remove();
  const inserted = fresh.cloneNode(true);
  list.insertBefore(inserted, next ?? list.querySelector(":scope > [data-edge=after]"));
  if (focusSelector) inserted.querySelector(focusSelector)?.focus();
  highlightCurrent(list);
}

function replaceRow(list, current, fresh) {
  const focusSelector = focusedPart(current);
  const inserted = fresh.cloneNode(true);
  current.replaceWith(inserted);
  if (focusSelector) inserted.querySelector(focusSelector)?.focus();
  highlightCurrent(list);
  return inserted;
}

const nextOf = (list, current, fresh) => rowsOf(list).find((other) => other !== current && comesBefore(list, fresh, other));

function nextRow(row) {
  let next = row.nextElementSibling;
  while (next && !next.matches(".row")) next = next.nextElementSibling;
  return next ?? undefined;
}

function focusedPart(row) {
  if (!row?.contains(document.activeElement)) return "";
  return document.activeElement.matches(".row__action") ? ".row__action" : ".row__open";
}

// The row belongs to the previous or the next page of this list.
function isOnAnotherPage(list, next) {
  const isCut = (attribute, edge) => list.hasAttribute(attribute) || list.querySelector(`:scope > [data-edge=${edge}]:not([hidden])`);
  if (!next) return isCut("data-has-next", "after");
  return next === rowsOf(list)[0] && isCut("data-has-previous", "before");
}

// -- nothing jumps while it is read ----------------------------------------------------------------------------------

// While the mouse moves in a list, its rows are updated where they are; they move, come and leave afterwards.
const READING_MS = 2_500;
const FLUSH_CHECK_MS = 400;
const laterRows = new Map(); // by conversation: its row, to be put into its place later
let isReloadLater = false;
let pointerMovedAt = 0;
let flushTimer = 0;

document.addEventListener("pointermove", ({ target, pointerType }) => {
  if (pointerType === "mouse" && target.closest?.("[data-list]")) pointerMovedAt = Date.now();
}, { passive: true });

const isReading = (list) => Date.now() - pointerMovedAt < READING_MS && list.matches(":hover");
const staysInPlace = (list, current, fresh) => current && belongsTo(list, fresh) !== false
  && (isFixed(list, fresh) || nextOf(list, current, fresh) === nextRow(current));

function moveLater(list, current, fresh) {
  if (current) replaceRow(list, current, fresh).classList.toggle("is-leaving", belongsTo(list, fresh) === false);
  laterRows.set(fresh.dataset.conversation, fresh);
  flushTimer ||= setTimeout(flush, FLUSH_CHECK_MS);
}

function flush() {
  flushTimer = [...lists()].some(isReading) ? setTimeout(flush, FLUSH_CHECK_MS) : 0;
  if (flushTimer) return;
  const rows = [...laterRows.values()];
  laterRows.clear();
  rows.forEach((row) => updateRow(row.dataset.conversation, row.outerHTML));
  if (isReloadLater) reloadLists();
}

// Beside a conversation the list keeps its first visible row where it is, whatever changes above it.
export function keepingPlace(list, change) {
  const scroller = list.closest(".desk__list");
  if (!scroller?.scrollTop) return change();
  const top = scroller.getBoundingClientRect().top;
  const anchor = rowsOf(list).find((row) => row.getBoundingClientRect().bottom > top);
  const offset = anchor?.getBoundingClientRect().top;
  change();
  const same = anchor && document.getElementById(anchor.id);
  if (same) scroller.scrollTop += same.getBoundingClientRect().top - offset;
}

// Beside a conversation, its own row is highlighted.
export function highlightCurrent(list) {
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

// -- the countdown of the 24-hour window --------------------------------------------------------------------------------

function updateWindows() {
  for (const chip of document.querySelectorAll(".row__window:not([hidden])")) {
    const state = windowState(chip.dataset.window);
    chip.classList.toggle("chip--attention", state === "soon");
    if (state === "closed") showClosed(chip.closest(".row"));
  }
}

function showClosed(row) {
  row.querySelector(".row__window").hidden = true;
  row.querySelector("[data-window-closed]").hidden = false;
  if (row.closest("[data-order=window]")) updateRow(row.dataset.conversation, row.outerHTML);
}

// -- reload after a disconnection ------------------------------------------------------------------------------------

// A response is discarded when a newer request was made, or when the page's address changed because a filter was typed.
const reloadUrl = () => document.querySelector("[data-reload-url]")?.dataset.reloadUrl ?? location.href;
let request;

export async function reloadLists() {
  isReloadLater = [...lists()].some(isReading);
  if (isReloadLater) return (flushTimer ||= setTimeout(flush, FLUSH_CHECK_MS));
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

export async function fetchPage(url, signal) {
  try {
    const response = await fetch(url, { headers: { "X-Requested-With": "fetch" }, signal });
    if (response.redirected) return location.reload(); // signed out
    readServerTime(response);
    return response.ok ? new DOMParser().parseFromString(await response.text(), "text/html") : null;
  } catch { return null; }
}

function replaceContents(page, selectors) {
  const focusedRow = document.activeElement.closest?.(".row");
  const focusSelector = document.activeElement.classList[0] === "row__open" ? ".row__open" : ".row__action";
  for (const selector of selectors) {
    const current = document.querySelectorAll(selector);
    page.querySelectorAll(selector).forEach((element, n) => {
      if (current[n]?.matches("[data-list]")) keepingPlace(current[n], () => replaceRows(current[n], element));
      else current[n]?.replaceChildren(...element.childNodes);
    });
  }
  if (focusedRow && !focusedRow.isConnected) document.getElementById(focusedRow.id)?.querySelector(focusSelector)?.focus();
  lists().forEach(highlightCurrent);
  dispatchListChanged();
}

// Rows that did not change stay the same elements.
function replaceRows(list, fresh) {
  for (const name of ["hasPrevious", "hasNext"]) {
    delete list.dataset[name];
    if (name in fresh.dataset) list.dataset[name] = "";
  }
  list.replaceChildren(...[...fresh.children].map((child) => {
    const current = child.matches(".row") && rowIn(list, child.dataset.conversation);
    return current && current.dataset.rev === child.dataset.rev && current.dataset.unread === child.dataset.unread ? current : child;
  }));
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
document.addEventListener("relais:clock-ticked", updateWindows);
document.addEventListener("relais:counts", ({ detail }) => {
  if (!stats || shownCounts === countsOf(detail)) return;
  shownCounts = countsOf(detail);
  clearTimeout(statsTimer);
  statsTimer = setTimeout(reloadStats, STATS_RELOAD_DELAY_MS);
});
lists().forEach(highlightCurrent);
updateWindows();
