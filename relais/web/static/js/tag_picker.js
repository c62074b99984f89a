// The dialog of a conversation's tags: type to filter, arrows to move, Enter or a click to add or remove.
import { errorText, post } from "./post.js";
import { foldText } from "./text_filter.js";

const MAX_SHOWN_TAGS = 50;
const plain = (text) => foldText(text).trim().replace(/\s+/g, " ");
const pickerOf = (target) => target.closest?.("[data-tag-picker]");
const parts = (dialog) => ({
  input: dialog.querySelector("input[name=add]"),
  list: dialog.querySelector("[role=listbox]"),
  error: dialog.querySelector("[data-tag-error]"),
});
const states = new WeakMap(); // of a dialog: its tags, those of the conversation, and the highlighted option

async function open(dialog) {
  const { input, list } = parts(dialog);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");
  input.value = "";
  const chosen = new Set([...dialog.querySelectorAll("[data-tag]")].map((button) => plain(button.value)));
  const state = { tags: [], mayMake: false, chosen, active: 0 };
  states.set(dialog, state);
  const response = await fetch(dialog.dataset.tagsUrl, { headers: { Accept: "application/json" } }).catch(() => null);
  const answer = response?.ok ? await response.json().catch(() => null) : null;
  state.tags = answer?.results ?? [];
  state.mayMake = answer?.may_make ?? false;
  show(dialog);
}

function show(dialog) {
  const state = states.get(dialog);
  const { input, list, error } = parts(dialog);
  const typed = plain(input.value);
  const found = state.tags.filter((tag) => plain(tag.name).includes(typed)).sort((a, b) => isChosen(state, b) - isChosen(state, a));
  const options = found.slice(0, MAX_SHOWN_TAGS).map((tag) => tagOption(tag, isChosen(state, tag)));
  if (typed && state.mayMake && !state.tags.some((tag) => plain(tag.name) === typed)) options.push(makeOption(dialog, input.value));
  if (!options.length) options.push(noneLine(dialog));
  state.active = Math.min(state.active, options.length - 1);
  options.forEach((option, n) => (option.id = `${list.id}-${n}`));
  list.replaceChildren(...options);
  list.hidden = false;
  error.hidden = true;
  input.setAttribute("aria-expanded", "true");
  highlight(dialog);
}

const isChosen = (state, tag) => state.chosen.has(plain(tag.name));

function option(name, isSelected, ...content) {
  const item = document.createElement("li");
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", isSelected);
  item.dataset.name = name;
  item.append(...content);
  return item;
}

function tagOption({ name, color }, isSelected) {
  const label = Object.assign(document.createElement("bdi"), { textContent: name });
  const chip = Object.assign(document.createElement("span"), { className: `chip tag tag--${color}` });
  chip.append(label);
  return option(name, isSelected, chip);
}

function makeOption(dialog, typed) {
  const name = typed.trim().replace(/\s+/g, " ");
  return option(name, false, dialog.dataset.makeWord.replace("%", name));
}

function noneLine(dialog) {
  const line = option("", false, dialog.dataset.noneWord);
  line.className = "tag-picker__none";
  line.setAttribute("aria-disabled", "true");
  return line;
}

function highlight(dialog) {
  const { input, list } = parts(dialog);
  const { active } = states.get(dialog);
  [...list.children].forEach((item, n) => item.classList.toggle("is-active", n === active));
  input.setAttribute("aria-activedescendant", list.children[active].id);
  list.children[active].scrollIntoView({ block: "nearest" });
}

async function toggle(dialog, item) {
  const { name } = item.dataset;
  const state = states.get(dialog);
  if (!name || state.isBusy) return;
  state.isBusy = true;
  const field = state.chosen.has(plain(name)) ? "remove" : "add";
  const answer = await post(dialog.querySelector("form").action, { [field]: name });
  state.isBusy = false;
  const { input, error } = parts(dialog);
  if (!answer.success) {
    error.textContent = errorText(answer);
    error.hidden = false;
    return;
  }
  state.chosen = new Set(answer.tags.map(plain));
  const known = new Set(state.tags.map((tag) => plain(tag.name)));
  state.tags.push(...answer.tags.filter((tag) => !known.has(plain(tag))).map((tag) => ({ name: tag, color: "grey" })));
  input.value = "";
  show(dialog);
  state.active = [...parts(dialog).list.children].findIndex((each) => plain(each.dataset.name) === plain(name));
  highlight(dialog);
}

const steps = { ArrowDown: 1, ArrowUp: -1 };

document.addEventListener("keydown", (event) => {
  const dialog = pickerOf(event.target);
  const state = dialog && states.get(dialog);
  if (!state || event.target !== parts(dialog).input || event.isComposing) return;
  const { list } = parts(dialog);
  if (event.key in steps && list.children.length) {
    event.preventDefault();
    state.active = (state.active + steps[event.key] + list.children.length) % list.children.length;
    highlight(dialog);
  } else if (event.key === "Enter" && list.children[state.active]) {
    event.preventDefault();
    toggle(dialog, list.children[state.active]);
  }
});
document.addEventListener("input", ({ target }) => {
  const dialog = pickerOf(target);
  if (!states.has(dialog)) return;
  states.get(dialog).active = 0;
  show(dialog);
});
document.addEventListener("click", ({ target }) => {
  const dialog = pickerOf(target);
  const item = dialog && target.closest("[role=option]");
  if (item) toggle(dialog, item);
});
document.addEventListener("relais:dialog-opened", ({ target }) => target.matches("[data-tag-picker]") && open(target));
document.querySelectorAll("[data-tag-picker][open]").forEach(open);
