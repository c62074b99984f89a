// The next and the previous conversation of the list by keyboard: Alt + arrow everywhere, j and k outside of fields.
import { openConversation, prefetchConversation } from "./conversation_panes.js";
import { asideList, loadPage } from "./list_pages.js";
import { rowsOf } from "./list_rules.js";
import { conversationId } from "./open_conversation.js";

const isField = (element) => element.closest?.("input, textarea, select, [contenteditable]");
let lastIndex = 0; // of the open conversation in the list: when it leaves the list, its successor is the next one

let openingId = ""; // of several quick presses each counts from the one before

const indexOf = (rows, id = conversationId()) => rows.findIndex((row) => row.dataset.conversation === id);

function rememberIndex() {
  const index = asideList() ? indexOf(rowsOf(asideList())) : -1;
  if (index >= 0) lastIndex = index;
}

function neighbour(step) {
  const rows = rowsOf(asideList());
  const index = indexOf(rows, openingId || conversationId());
  if (index >= 0) return rows[index + step];
  return rows[step > 0 ? lastIndex : lastIndex - 1];
}

async function neighbourOnAnyPage(step) {
  return neighbour(step) ?? loadPage(step > 0 ? "after" : "before").then(() => neighbour(step));
}

// `focus` is what has the focus afterwards: "row", or by default what opening a conversation focuses.
export async function openNeighbour(step, focus = "") {
  const row = asideList() && (await neighbourOnAnyPage(step));
  if (!row) return;
  row.scrollIntoView({ block: "nearest" });
  openingId = row.dataset.conversation;
  await openConversation(row.querySelector(".row__open").href);
  if (openingId !== row.dataset.conversation) return;
  openingId = "";
  if (focus === "row") document.querySelector(`#${row.id} .row__open`)?.focus({ preventScroll: true });
  [step, 2 * step].forEach(prefetchNeighbour); // whoever holds the key down is a conversation ahead of the response
}

function prefetchNeighbour(step) {
  const row = asideList() && neighbour(step);
  if (row) prefetchConversation(row.dataset.conversation);
}

function stepOf({ key, altKey, ctrlKey, metaKey, shiftKey, target }) {
  if (ctrlKey || metaKey || shiftKey) return 0;
  if (altKey) return { ArrowDown: 1, ArrowUp: -1 }[key] ?? 0;
  return isField(target) ? 0 : ({ j: 1, k: -1 }[key] ?? 0);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (event.key === "Alt") return [1, -1].forEach(prefetchNeighbour); // an arrow may follow
  const step = stepOf(event);
  if (!step) return;
  event.preventDefault();
  openNeighbour(step, event.altKey ? "" : "row");
});

document.addEventListener("relais:list-changed", rememberIndex);
document.addEventListener("relais:conversation-opened", rememberIndex);
