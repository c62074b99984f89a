// Lists that keep themselves: a row comes, goes or moves as its conversation does, by the list's own rule.
const me = document.body.dataset.user;
const TICK = 30_000;
const NEAR = 2 * 3_600_000;

const rules = {
  pending: (row) => row.situation === "waiting",
  active: (row) => row.situation === "bot" || row.situation === "held",
  mine: (row) => row.situation === "held" && row.agent === me,
  bot: (row) => row.situation === "bot",
  held: (row) => row.situation === "held",
  all: () => true,
  found: () => null, // what filters found is only kept up to date
};
const lists = () => document.querySelectorAll("[data-list]");
const at = (row) => Date.parse(row.dataset.since);

export function placeRow(id, html) {
  const fresh = html ? new DOMParser().parseFromString(html, "text/html").querySelector(".row") : null;
  lists().forEach((list) => keep(list, document.getElementById(`row-${id}`), fresh));
}

function keep(list, old, fresh) {
  const here = old && list.contains(old) ? old : null;
  const belongs = fresh && rules[list.dataset.list](fresh.dataset);
  if (here && fresh && Number(here.dataset.rev) > Number(fresh.dataset.rev)) return;
  if (!fresh || belongs === false) return here?.remove();
  if (belongs === null) return here?.replaceWith(fresh.cloneNode(true));
  const before = [...list.children].find((row) => row !== here && comesBefore(list, fresh, row));
  if (!here && isElsewhere(list, before)) return;
  const row = fresh.cloneNode(true);
  const focused = here?.contains(document.activeElement) && document.activeElement.matches(".row__act") ? ".row__act" : ".row__open";
  const hadFocus = here?.contains(document.activeElement);
  here?.remove();
  list.insertBefore(row, before ?? null);
  if (hadFocus) row.querySelector(focused)?.focus();
  highlight(list);
}

const comesBefore = (list, a, b) => (list.dataset.list === "pending" ? at(a) < at(b) : at(a) > at(b));
// On an earlier or later page of the same list.
function isElsewhere(list, before) {
  return (!before && list.hasAttribute("data-more")) || (before && before === list.firstElementChild && list.hasAttribute("data-later"));
}

function highlight(list) {
  const here = list.dataset.here;
  if (here) list.querySelector(`[data-conversation="${here}"] .row__open`)?.setAttribute("aria-current", "page");
}

function windows() {
  for (const chip of document.querySelectorAll("[data-window]")) {
    const left = Date.parse(chip.dataset.window) - Date.now();
    chip.hidden = left <= 0 || left > NEAR;
  }
  for (const chip of document.querySelectorAll("[data-window-closed]")) chip.hidden = Date.parse(chip.dataset.windowClosed) > Date.now();
}

// The page's own lists, asked for again after a break. An answer to an address that is not the page's any more (a
// filter was typed meanwhile), or to an older question, is not shown.
const source = () => document.querySelector("[data-again]")?.dataset.again ?? location.href;
let asking;

async function again() {
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const asked = source();
  const answer = await ask(asked, signal);
  if (signal.aborted || !answer) return;
  if (asked !== source()) return again();
  const { dataset } = answer.querySelector("[data-position]");
  document.body.dataset.position = dataset.position;
  show(answer, ["[data-list]", "#figures"]);
}

async function ask(address, signal) {
  try {
    const answer = await fetch(address, { headers: { "X-Requested-With": "fetch" }, signal });
    if (answer.redirected) return location.reload(); // signed out
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch { return null; }
}

function show(fresh, parts) {
  const focused = document.activeElement.closest?.(".row");
  const part = document.activeElement.classList[0] === "row__open" ? ".row__open" : ".row__act";
  for (const selector of parts) {
    const now = document.querySelectorAll(selector);
    fresh.querySelectorAll(selector).forEach((piece, n) => now[n]?.replaceChildren(...piece.childNodes));
  }
  if (focused && !focused.isConnected) document.getElementById(focused.id)?.querySelector(part)?.focus();
  lists().forEach(highlight);
}

// A filter's answer that comes when something else is typed already: the next one is on its way.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const form = detail.requestConfig.elt.closest("[role=search]");
  if (form && written(detail.requestConfig.formData) !== written(new FormData(form))) detail.shouldSwap = false;
});
const written = (fields) => new URLSearchParams([...fields].filter(([, value]) => value)).toString();

// -- the figures of the first page -------------------------------------------------------------------------------

const figures = document.getElementById("figures");
const numbersOf = ({ pending, mine, unread_mine, held, bot }) => [pending, mine, unread_mine, held, bot].join(" ");
let known = figures?.dataset.known;
let soon;

async function figuresAgain() {
  const answer = await ask(figures.dataset.url);
  if (answer) show(answer, ["#figures"]);
}

document.addEventListener("relais:row", ({ detail }) => placeRow(detail.conversation, detail.html));
document.addEventListener("relais:refresh", again);
document.addEventListener("relais:counts", ({ detail }) => {
  if (!figures || known === numbersOf(detail)) return;
  known = numbersOf(detail);
  clearTimeout(soon);
  soon = setTimeout(figuresAgain, 2000);
});
lists().forEach(highlight);
windows();
setInterval(windows, TICK);
