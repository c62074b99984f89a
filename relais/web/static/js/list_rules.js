// Which conversations a list contains, and in which order, by the attributes of their rows. The server does the same:
// `conversations/list_filters.py` and `list_order.py`.
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
const isNewer = (a, b) => timeOf(a, "active") > timeOf(b, "active");
const orders = {
  activity: isNewer,
  wait: (a, b) => timeOf(a, "since") < timeOf(b, "since"),
  need(a, b) {
    const [waitsA, waitsB] = [timeOf(a, "unanswered"), timeOf(b, "unanswered")];
    if (isNaN(waitsA) && isNaN(waitsB)) return isNewer(a, b);
    return isNaN(waitsB) || waitsA < waitsB;
  },
};

export const belongsTo = (list, row) => membershipRules[list.dataset.list](row.dataset);
export const comesBefore = (list, a, b) => orders[list.dataset.order](a, b);
export const rowsOf = (list) => [...list.children].filter((child) => child.matches(".row"));
