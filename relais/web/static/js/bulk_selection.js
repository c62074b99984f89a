// Choosing several rows of a list and acting on them: checkboxes, Shift for a range, the key x on a row, Escape to end; on
// a touch screen a long press on a row, or the button « Sélectionner ». The form #bulk has the actions.
import { errorText, post } from "./post.js";
import { showNotice } from "./notices.js";

const LONG_PRESS_MS = 500;
const MAX_CHOSEN = 100;
const chosen = new Set(); // ids, kept while rows are replaced
let anchor = null;
let isSelecting = false;

const bar = () => document.querySelector("[data-bulk]");
const boxes = () => [...document.querySelectorAll("[data-selectable] .row__select")];
const boxOf = (row) => row?.querySelector(".row__select");
const plural = (n, one, other) => (n === 1 ? one : other.replace("%", n));

function choose(box, isChosen) {
  if (isChosen && !chosen.has(box.value) && chosen.size >= MAX_CHOSEN) return;
  chosen[isChosen ? "add" : "delete"](box.value);
}

function chooseTo(box, isChosen, isRange) {
  const all = boxes();
  const start = all.findIndex((each) => each.value === anchor);
  const end = all.indexOf(box);
  const range = isRange && start >= 0 ? all.slice(Math.min(start, end), Math.max(start, end) + 1) : [box];
  range.forEach((each) => choose(each, isChosen));
  anchor = box.value;
  show();
}

// The rows have none of their own: they are the same in lists where nothing is chosen.
function addBoxes() {
  for (const row of document.querySelectorAll("[data-selectable] .row")) {
    if (boxOf(row)) continue;
    const box = Object.assign(document.createElement("input"), { type: "checkbox", className: "row__select", value: row.dataset.conversation });
    box.setAttribute("aria-label", bar().dataset.chooseWord.replace("%", row.querySelector(".row__open").textContent.trim()));
    row.prepend(box);
  }
}

function show() {
  addBoxes();
  const all = boxes();
  const present = new Set(all.map((box) => box.value));
  for (const id of chosen) if (!present.has(id)) chosen.delete(id);
  for (const box of all) box.checked = chosen.has(box.value);
  const form = bar();
  form.toggleAttribute("data-active", chosen.size > 0);
  const count = form.querySelector("[data-bulk-count]");
  const text = chosen.size ? plural(chosen.size, count.dataset.one, count.dataset.other) : "";
  if (count.textContent !== text) count.textContent = text;
  document.querySelector("[data-selectable]")?.toggleAttribute("data-selecting", isSelecting || chosen.size > 0);
  document.querySelector("[data-select-rows]")?.setAttribute("aria-pressed", isSelecting || chosen.size > 0);
}

function clear() {
  chosen.clear();
  isSelecting = false;
  show();
}

async function act(fields) {
  const ids = [...chosen];
  const body = new URLSearchParams(fields);
  body.delete("ids");
  ids.forEach((id) => body.append("ids", id));
  const names = new Map(boxes().map((box) => [box.value, box.closest(".row").querySelector(".row__open").textContent.trim()]));
  const answer = await post(bar().action, body);
  if (!answer.success) return showNotice(errorText(answer), "error");
  answer.done.forEach((id) => chosen.delete(String(id)));
  if (!chosen.size) isSelecting = false;
  show();
  showResult(answer, names);
}

function showResult({ done, refused }, names) {
  const dialog = document.getElementById("bulk-result");
  const title = dialog.querySelector("h2");
  title.textContent = done.length ? plural(done.length, title.dataset.doneOne, title.dataset.doneOther) : title.dataset.none;
  if (!refused.length) return showNotice(title.textContent, "success");
  dialog.querySelector(".bulk__refused").replaceChildren(...refused.map((each) => refusedLine(each, names)));
  dialog.showModal();
}

function refusedLine({ id, error }, names) {
  const line = document.createElement("li");
  line.append(Object.assign(document.createElement("bdi"), { textContent: names.get(String(id)) ?? id }), document.createElement("br"), error);
  return line;
}

// -- how rows are chosen --------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const { target } = event;
  if (target.closest("[data-bulk-clear]")) return clear();
  if (target.closest("[data-select-rows]")) {
    if (chosen.size) return clear();
    isSelecting = !isSelecting;
    return show();
  }
  const action = target.closest("[data-bulk-action]");
  if (action) return act({ action: action.dataset.bulkAction });
  const box = target.closest("[data-selectable] .row__select");
  if (box) return chooseTo(box, box.checked, event.shiftKey);
  const row = target.closest("[data-selectable][data-selecting] .row");
  if (!row || !boxOf(row) || !matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault(); // on a touch screen a tap chooses
  chooseTo(boxOf(row), !boxOf(row).checked, false);
}, { capture: true });

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const box = boxOf(event.target.closest?.("[data-selectable] .row"));
  if (event.key === "Escape" && (chosen.size || isSelecting)) clear();
  else if (box && event.key.toLowerCase() === "x") {
    event.preventDefault();
    chooseTo(box, !box.checked, event.shiftKey);
  }
});

let pressTimer;
document.addEventListener("pointerdown", ({ target, pointerType }) => {
  clearTimeout(pressTimer);
  const box = pointerType === "touch" && boxOf(target.closest("[data-selectable] .row"));
  if (box) pressTimer = setTimeout(() => startByLongPress(box), LONG_PRESS_MS);
});
for (const type of ["pointerup", "pointercancel", "pointermove", "scroll"]) {
  document.addEventListener(type, () => clearTimeout(pressTimer), { capture: true, passive: true });
}

function startByLongPress(box) {
  isSelecting = true;
  chooseTo(box, true, false);
  // The finger's release is no tap on the row's link.
  document.addEventListener("click", (event) => { event.preventDefault(); event.stopPropagation(); }, { capture: true, once: true });
  document.addEventListener("contextmenu", (event) => event.preventDefault(), { once: true });
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-bulk-form]");
  if (!form) return;
  event.preventDefault();
  const fields = new FormData(form);
  form.closest("dialog").close();
  act(fields);
});

if (bar()) {
  new MutationObserver(show).observe(document.querySelector(".page, .desk__list"), { childList: true, subtree: true });
  show();
}
