// The list of quick replies and macros over the composer: a word that begins with a slash searches them. Arrows choose,
// Enter or Tab inserts a reply, or opens its choices or the preview of a macro, Escape closes. The field keeps the focus; its
// aria-activedescendant names the chosen option.
import { csrfToken } from "./csrf.js";
import { macrosButton, openMacroPreview } from "./macro_preview_link.js";
import { openSavedChoices } from "./saved_choices.js";
import { attachStoredFiles } from "./stored_files.js";

const SLASH_WORD = /(?:^|\s)\/([^\s/]{0,40})$/;
const MAX_MACROS = 5;
const CACHE_MAX_AGE_MS = 30_000;
const cache = new Map(); // by search URL: { at, results: a promise }
let isOpen = false;
let isPending = false;
let acceptsWhenShown = false; // Enter was pressed before the results were there
let isInserting = false;
let dismissedStart = null; // where the slash stands whose list Escape closed
let results = [];
let active = 0;
let lastSearch = 0;

const field = () => document.querySelector("#composer [data-composer]")?.elements.message;
const list = () => document.querySelector("#composer [data-reply-list]");
const options = () => list().querySelector("[role=listbox]");

// The slash word before the caret: where it starts, and what is searched.
function slashWord() {
  const { value, selectionStart, selectionEnd } = field();
  const match = selectionStart === selectionEnd && SLASH_WORD.exec(value.slice(0, selectionStart));
  return match ? { start: selectionStart - match[1].length - 1, end: selectionStart, query: match[1] } : null;
}

// -- searching ----------------------------------------------------------------------------------------------------

function fetchResults(query) {
  const macrosUrl = macrosButton()?.dataset.macros;
  const sources = [fetchCached(`${list().dataset.searchUrl}&q=${encodeURIComponent(query)}`)];
  if (macrosUrl) sources.push(fetchCached(`${macrosUrl}?q=${encodeURIComponent(query)}`));
  return Promise.all(sources).then(([replies, macros]) => replies && [
    ...replies,
    ...(macros ?? []).slice(0, MAX_MACROS).map((macro) => ({ ...macro, isMacro: true })),
  ]);
}

function fetchCached(url) {
  const cached = cache.get(url);
  if (cached && Date.now() - cached.at < CACHE_MAX_AGE_MS) return cached.results;
  const found = fetch(url, { headers: { Accept: "application/json" } })
    .then((response) => (response.ok ? response.json() : Promise.reject(response)))
    .then((answer) => answer.results)
    .catch(() => (cache.delete(url), null));
  cache.set(url, { at: Date.now(), results: found });
  return found;
}

async function update() {
  if (isInserting || !field() || !list()) return;
  const word = slashWord();
  if (!word) dismissedStart = null;
  if (!word || word.start === dismissedStart) return close();
  const search = ++lastSearch;
  isOpen = isPending = true;
  const found = await fetchResults(word.query);
  if (search !== lastSearch) return;
  isPending = false;
  if (!found) return close();
  show(found);
  if (acceptsWhenShown) accept();
}

// -- showing --------------------------------------------------------------------------------------------------------

const element = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });

function optionFor(reply, index) {
  const option = element("li", "reply-list__option");
  option.id = `reply-option-${index}`;
  option.setAttribute("role", "option");
  const title = element("span", "reply-list__title", reply.title);
  title.dir = "auto";
  option.append(element("code", "reply-list__shortcut", `/${reply.shortcut}`), title);
  if (reply.isMacro) {
    option.append(element("span", "reply-list__text", list().dataset.macro));
    return option;
  }
  const text = element("span", "reply-list__text", reply.text);
  text.dir = "auto";
  option.append(text);
  if (reply.files.length) option.append(element("span", "reply-list__files", reply.files.map(({ name }) => name).join(", ")));
  if (reply.choices) option.append(element("span", "reply-list__choices", reply.choices.items.map(({ title }) => title).join(" · ")));
  if (reply.problem) option.append(element("span", "reply-list__problem", reply.problem));
  return option;
}

function show(found) {
  results = found;
  options().replaceChildren(...results.map(optionFor));
  list().hidden = false;
  list().querySelector("[data-empty]").hidden = results.length > 0;
  const { none, one, many } = list().dataset;
  list().querySelector("[data-status]").textContent = [none, one][results.length] ?? many.replace("{count}", results.length);
  field().setAttribute("aria-controls", options().id);
  field().setAttribute("aria-autocomplete", "list");
  activate(0);
}

function activate(index) {
  active = results.length ? (index + results.length) % results.length : 0;
  [...options().children].forEach((option, n) => option.setAttribute("aria-selected", n === active));
  const option = options().children[active];
  option?.scrollIntoView({ block: "nearest" });
  if (option) field().setAttribute("aria-activedescendant", option.id);
  else field().removeAttribute("aria-activedescendant");
}

function close() {
  lastSearch += 1;
  isOpen = isPending = acceptsWhenShown = false;
  if (list()) list().hidden = true;
  for (const name of ["aria-controls", "aria-autocomplete", "aria-activedescendant"]) field()?.removeAttribute(name);
}

function dismiss() {
  dismissedStart = slashWord()?.start ?? null;
  close();
}

// -- inserting ------------------------------------------------------------------------------------------------------

function accept() {
  const reply = results[active];
  const word = slashWord();
  acceptsWhenShown = false;
  if (!reply || !word) return dismiss();
  const { useUrl, conversation } = list().dataset;
  close();
  if (reply.isMacro) {
    insert("", word);
    openMacroPreview(reply.id);
    return;
  }
  insert(reply.choices ? "" : reply.text, word);
  if (reply.choices) openSavedChoices(reply);
  else attachStoredFiles(reply.files);
  fetch(useUrl.replace("/0/", `/${reply.id}/`), {
    method: "POST",
    headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
    body: new URLSearchParams({ conversation }),
    keepalive: true,
  }).then(() => cache.clear(), () => null); // not counted: no reason to disturb
}

// As typed, so that Ctrl+Z takes it back; `setRangeText` where a browser does not know the command.
function insert(text, { start, end }) {
  isInserting = true;
  field().focus();
  field().setSelectionRange(start, end);
  if (!document.execCommand(text ? "insertText" : "delete", false, text)) {
    field().setRangeText(text, start, end, "end");
    field().dispatchEvent(new InputEvent("input", { bubbles: true }));
  }
  isInserting = false;
}

// -- keys and pointer -------------------------------------------------------------------------------------------------

const moves = { ArrowDown: 1, ArrowUp: -1 };

// Captured: before the composer, which sends on Enter.
document.addEventListener("keydown", (event) => {
  if (!isOpen || event.target !== field() || event.isComposing || event.shiftKey || event.ctrlKey || event.metaKey) return;
  if (event.key in moves && results.length) activate(active + moves[event.key]);
  else if (event.key === "Escape" || (event.key === "Enter" && !isPending && !results.length)) dismiss();
  else if (event.key === "Enter" || (event.key === "Tab" && results.length)) {
    if (isPending) acceptsWhenShown = true;
    else accept();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}, { capture: true });

document.addEventListener("input", ({ target }) => target === field() && update());
document.addEventListener("selectionchange", () => isOpen && document.activeElement === field() && !slashWord() && close());
document.addEventListener("pointerdown", (event) => {
  if (!isOpen || !list()) return;
  if (list().contains(event.target)) {
    if (!event.target.closest("a")) event.preventDefault(); // the field keeps the focus
  } else if (event.target !== field()) dismiss();
});
document.addEventListener("click", ({ target }) => {
  const option = isOpen && target.closest("#composer .reply-list__option");
  if (!option) return;
  active = [...options().children].indexOf(option);
  accept();
});
document.addEventListener("focusout", ({ target, relatedTarget }) => {
  if (isOpen && target === field() && relatedTarget && !list().contains(relatedTarget)) close();
});
document.addEventListener("relais:conversation-left", close);
document.addEventListener("relais:conversation-opened", () => (dismissedStart = null));

update(); // loaded by the first slash
