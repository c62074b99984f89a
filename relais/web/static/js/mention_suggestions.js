// `@` in a note opens a list of colleagues: arrows choose, Enter or Tab inserts the name, Escape closes it.
import { colleagues, plain } from "./colleagues.js";

const MAX_SHOWN = 8;
const MENTION = /(?:^|[\s(])@([\p{L}\p{M}\p{N} .'’-]{0,60})$/u; // before the caret
const list = () => document.querySelector("[data-mention-list]");
const options = () => [...list().children];
const chosen = () => list().querySelector("[aria-selected=true]");
const isOpen = () => Boolean(list()) && !list().hidden;

function typedName(field) {
  return MENTION.exec(field.value.slice(0, field.selectionStart))?.[1];
}

async function update(field) {
  const typed = typedName(field);
  if (typed === undefined) return close();
  const all = await colleagues();
  if (typedName(field) !== typed || !list()) return; // typed on meanwhile
  const matching = all.filter(({ name }) => plain(name).split(" ").some((_, n, words) => words.slice(n).join(" ").startsWith(plain(typed))));
  // The name is complete, or no colleague's.
  if (!matching.length || matching.some(({ name }) => typed.startsWith(`${name} `) || (typed === name && matching.length === 1))) return close();
  show(field, matching.slice(0, MAX_SHOWN));
}

function show(field, matching) {
  list().replaceChildren(...matching.map(({ id, name, role }) => {
    const option = Object.assign(document.createElement("li"), { id: `mention-${id}`, role: "option", className: "mention-list__option" });
    option.dataset.name = name;
    option.append(Object.assign(document.createElement("bdi"), { textContent: name }), Object.assign(document.createElement("small"), { textContent: role }));
    return option;
  }));
  list().hidden = false;
  choose(field, options()[0]);
}

function choose(field, option) {
  options().forEach((each) => each.setAttribute("aria-selected", each === option));
  field.setAttribute("aria-controls", list().id);
  field.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function close() {
  if (!isOpen()) return;
  list().hidden = true;
  list().closest("form").elements.body.removeAttribute("aria-activedescendant");
}

function insert(field, { name }) {
  const start = field.selectionStart - typedName(field).length;
  field.setRangeText(`${name} `, start, field.selectionStart, "end");
  close();
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

const KEYS = {
  ArrowDown: (field) => choose(field, chosen().nextElementSibling ?? options()[0]),
  ArrowUp: (field) => choose(field, chosen().previousElementSibling ?? options().at(-1)),
  Enter: (field) => insert(field, chosen().dataset),
  Tab: (field) => insert(field, chosen().dataset),
  Escape: close,
};

// In the capture phase, so that Enter and Escape do not also reach the note composer.
document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.("[data-note-text]") || !isOpen() || event.isComposing || !KEYS[event.key] || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  KEYS[event.key](event.target);
}, { capture: true });
document.addEventListener("input", ({ target }) => target.matches("[data-note-text]") && update(target));
document.addEventListener("focusout", ({ target }) => target.matches("[data-note-text]") && close());
// Before the click, which would take the focus from the field and so close the list.
document.addEventListener("pointerdown", (event) => {
  const option = event.target.closest(".mention-list__option");
  if (!option) return;
  event.preventDefault();
  insert(option.closest("form").elements.body, option.dataset);
});

// Typed before this was loaded.
if (document.activeElement?.matches("[data-note-text]")) update(document.activeElement);
