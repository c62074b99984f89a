// Which conversations a list contains, and in which order, by the attributes of their rows. The server does the same:
// `conversations/list_filters.py` and `list_order.py`.
import { windowState } from "./service_window.js";

const currentUser = document.body.dataset.user;

const membershipRules = {
  pending: (row) => row.situation === "waiting",
  active: (row) => row.situation === "bot" || row.situation === "held",
  mine: (row) => row.situation === "held" && row.agent === currentUser && row.snoozed !== "true",
  snoozed: (row) => row.situation === "held" && row.agent === currentUser && row.snoozed === "true",
  bot: (row) => row.situation === "bot",
  held: (row) => row.situation === "held",
  all: (row) => row.situation !== "ended",
  every: () => true,
  found: () => null, // the result of a search: its rows are updated, none is added or removed
};

const timeOf = (row, name) => Date.parse(row.dataset[name] ?? "");
// Messages that are stored as one batch have one time: such rows are ordered by id.
const difference = (a, b, name) => timeOf(a, name) - timeOf(b, name);
const idDifference = (a, b) => Number(a.dataset.conversation) - Number(b.dataset.conversation);
const orders = {
  activity: (a, b) => (difference(a, b, "active") || idDifference(a, b)) > 0,
  wait: (a, b) => (difference(a, b, "since") || idDifference(a, b)) < 0,
  window(a, b) {
    const [openA, openB] = [a, b].map((row) => "closes" in row.dataset && windowState(row.dataset.closes) !== "closed");
    if (openA !== openB) return openA;
    return ((openA ? difference(a, b, "closes") : difference(b, a, "active")) || idDifference(a, b)) < 0;
  },
  need(a, b) {
    const [waitsA, waitsB] = [a, b].map((row) => !isNaN(timeOf(row, "unanswered")));
    if (waitsA !== waitsB) return waitsA;
    return ((waitsA ? difference(a, b, "unanswered") : difference(b, a, "active")) || idDifference(a, b)) < 0;
  },
};

export const belongsTo = (list, row) => membershipRules[list.dataset.list](row.dataset);
// The result of a search stays as it was found, unless it is ordered by what a clock changes.
export const isFixed = (list, row) => belongsTo(list, row) === null && list.dataset.order !== "window";
export const comesBefore = (list, a, b) => orders[list.dataset.order](a, b);
export const rowsOf = (list) => [...list.children].filter((child) => child.matches(".row"));
