// The list beside a conversation: its tabs, and its next and previous pages, loaded as the reader scrolls to their edge.
// It keeps at most so many rows, since each one more makes every change of the page slower.
import { dispatchListChanged, fetchPage, highlightCurrent, keepingPlace } from "./conversation_list.js";
import { rowsOf } from "./list_rules.js";
import { conversationId } from "./open_conversation.js";
import { post } from "./post.js";

const maxRows = () => Number(document.body.dataset.maxRows ?? 150); // as MAX_ASIDE_ROWS in views/lists.py
const EDGE_DISTANCE_PX = 800;
const pane = () => document.querySelector(".desk__list");
export const asideList = () => pane()?.querySelector("[data-list]");
const edgeOf = (list, side) => list.querySelector(`:scope > [data-edge=${side}]:not([hidden])`);
const markersOf = (list) => [...list.querySelectorAll(":scope > [data-edge=before][hidden]")]; // where a page begins

const asideUrl = (fields) => `/dashboard/chat/${conversationId()}/aside?${new URLSearchParams(fields)}`;

async function fetchList(fields) {
  const page = await fetchPage(asideUrl(fields));
  return page?.querySelector(".desk__list");
}

// -- pages ------------------------------------------------------------------------------------------------------------

let loading = null;

// Loads what lies behind an edge of the list; resolves when it is there. One page at a time.
export function loadPage(side) {
  loading ??= loadBehind(edgeOf(asideList(), side)).finally(() => (loading = null));
  return loading;
}

async function loadBehind(edge) {
  const list = asideList();
  if (!edge) return;
  const side = edge.dataset.edge;
  const fresh = await fetchList({ tab: list.dataset.list, [side]: edge.dataset.cursor });
  const incoming = fresh?.querySelector("[data-list]");
  if (!incoming || !edge.isConnected || incoming.dataset.order !== list.dataset.order) return;
  for (const row of rowsOf(incoming)) document.getElementById(row.id)?.remove();
  keepingPlace(list, () => (side === "after" ? append : prepend)(list, edge, incoming));
  rememberWindow(list);
  highlightCurrent(list);
  dispatchListChanged();
}

function append(list, edge, incoming) {
  const start = incoming.querySelector(":scope > [data-edge=before]");
  if (start) Object.assign(start, { hidden: true }).dataset.after = edge.dataset.cursor;
  edge.replaceWith(...incoming.children);
  for (const marker of markersOf(list)) {
    if (rowsOf(list).length <= maxRows()) return;
    while (list.firstElementChild !== marker) list.firstElementChild.remove();
    marker.hidden = false;
  }
}

function prepend(list, edge, incoming) {
  const end = incoming.querySelector(":scope > [data-edge=after]");
  end?.remove();
  edge.hidden = true;
  edge.dataset.after = end?.dataset.cursor ?? "";
  edge.before(...incoming.children);
  for (const marker of markersOf(list).reverse()) {
    if (rowsOf(list).length <= maxRows()) return;
    while (marker.nextElementSibling) marker.nextElementSibling.remove();
    Object.assign(marker.dataset, { edge: "after", cursor: marker.dataset.after });
    marker.hidden = false;
  }
}

// A reload asks for the same rows again.
function rememberWindow(list) {
  const start = edgeOf(list, "before");
  const from = start ? { from: start.dataset.cursor } : {};
  pane().dataset.reloadUrl = asideUrl({ tab: list.dataset.list, rows: rowsOf(list).length, ...from });
}

function loadVisibleEdges() {
  const list = asideList();
  if (!list || loading || !pane().offsetParent) return;
  const { top, bottom } = pane().getBoundingClientRect();
  const isNear = (edge) => edge && edge.getBoundingClientRect().top < bottom + EDGE_DISTANCE_PX && edge.getBoundingClientRect().bottom > top - EDGE_DISTANCE_PX;
  const side = ["after", "before"].find((each) => isNear(edgeOf(list, each)));
  if (side) loadPage(side);
}

document.addEventListener("scroll", ({ target }) => target === pane() && loadVisibleEdges(), { passive: true, capture: true });
document.addEventListener("relais:conversation-opened", () => asideList() && rememberWindow(asideList()));

// -- tabs and order -----------------------------------------------------------------------------------------------------

export async function showTab(key) {
  const fresh = await fetchList({ tab: key });
  if (!fresh) return;
  const hadFocus = pane().contains(document.activeElement);
  pane().replaceChildren(...fresh.childNodes);
  pane().scrollTop = 0;
  rememberWindow(asideList());
  highlightCurrent(asideList());
  dispatchListChanged();
  if (hadFocus) pane().querySelector("[data-tab][aria-current]")?.focus();
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest(".desk__list [data-tab]");
  if (!tab || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  showTab(tab.dataset.tab);
});

document.addEventListener("submit", async (event) => {
  if (!event.target.matches(".desk__list [data-list-order]")) return;
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target, event.submitter));
  const response = await post(event.target.action, fields);
  if (response.success) showTab(fields.tab);
});
