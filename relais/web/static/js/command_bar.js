// The command bar and the sheet of keys. Actions are what the page shows with `aria-keyshortcuts`: an element declares its
// key there, and its name is the action's. So both list exactly what can be done now.
import { csrfToken } from "./csrf.js";
import { macrosButton, openMacroPreview } from "./macro_preview_link.js";
import { openSavedChoices } from "./saved_choices.js";
import { singleKeysAreOn } from "./single_keys.js";
import { attachStoredFiles } from "./stored_files.js";
import { foldText } from "./text_filter.js";

const SEARCH_DELAY_MS = 80;
const MAX_RESULTS_PER_GROUP = 5;
const KEY_NAMES = { Control: "Ctrl" };
const bar = document.getElementById("command-bar");
const sheet = document.getElementById("key-sheet");
const query = bar.querySelector("input");
const options = bar.querySelector("[role=listbox]");
const texts = bar.dataset;
let items = [];
let active = 0;
let lastSearch = 0;
let timer;

const textOf = (element) => element.getAttribute("aria-label") || spokenText(element.labels?.[0] ?? element);
const nameOf = (element) => textOf(element).trim().replace(/\s+/g, " ");
function spokenText(element) {
  const copy = element.cloneNode(true);
  copy.querySelectorAll("[aria-hidden=true]").forEach((decoration) => decoration.remove());
  return copy.textContent;
}
const make = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });

// -- what there is --------------------------------------------------------------------------------------------------

const usableKeys = (keys) => (keys.length === 1 && !singleKeysAreOn() ? "" : keys);
const isOffered = (element) => element.matches("a, button, input") && element.checkVisibility() && !element.disabled && !element.closest("dialog");

function actions() {
  return [...document.querySelectorAll("[aria-keyshortcuts]")].filter(isOffered).map((element) => ({
    group: texts.actions,
    label: nameOf(element),
    keys: usableKeys(element.getAttribute("aria-keyshortcuts")),
    run: () => (element.matches("input:not([type=file])") ? element.focus() : element.click()),
  }));
}

function pages() {
  return [...document.querySelectorAll(".sidebar__link[href]:not([target])")].map((link) => ({
    group: texts.pages,
    label: link.querySelector("span").textContent.trim(),
    run: () => location.assign(link.href),
  }));
}

async function fetchFrom(url, accept) {
  const response = await fetch(url, { headers: { Accept: accept, "X-Requested-With": "fetch" } });
  if (!response.ok || response.redirected) throw new Error(response.status);
  return accept === "text/html" ? response.text() : (await response.json()).results;
}

async function conversations(text) {
  const html = await fetchFrom(`${texts.conversationsUrl}?q=${encodeURIComponent(text)}`, "text/html");
  const rows = new DOMParser().parseFromString(html, "text/html").querySelectorAll("#list .row");
  return [...rows].map((row) => {
    const link = row.querySelector(".row__open");
    const detail = row.querySelector(".row__preview")?.textContent.trim() ?? "";
    return { group: texts.conversations, label: nameOf(link), detail, run: () => openConversation(link.getAttribute("href")) };
  });
}

// A link within the desk opens without a page load (conversation_panes.js).
function openConversation(href) {
  const link = Object.assign(document.createElement("a"), { href, hidden: true });
  (document.querySelector(".desk") ?? document.body).append(link);
  link.click();
  link.remove();
}

async function clients(text) {
  const found = await fetchFrom(`${texts.clientsUrl}?q=${encodeURIComponent(text)}`, "application/json");
  return found.map(({ id, name, phone_number: phone, vin }) => ({
    group: texts.clients,
    label: name || phone || String(id),
    detail: [name && phone, vin].filter(Boolean).join(" · "),
    run: () => location.assign(`${texts.clientsUrl}/${id}`),
  }));
}

// Only beside a conversation.
async function macros(text) {
  if (!macrosButton()) return [];
  const found = await fetchFrom(`${macrosButton().dataset.macros}?q=${encodeURIComponent(text)}`, "application/json");
  return found.map(({ id, title, shortcut }) => ({
    group: texts.macros,
    label: title,
    detail: `/${shortcut}`,
    run: () => openMacroPreview(id),
  }));
}

const composer = () => document.querySelector("#composer [data-composer]")?.elements.message;

async function replies(text) {
  const list = composer() && document.querySelector("[data-reply-list]");
  if (!list) return [];
  const { searchUrl, useUrl, conversation } = list.dataset;
  const found = await fetchFrom(`${searchUrl}&q=${encodeURIComponent(text)}`, "application/json");
  return found.map((reply) => ({
    group: texts.replies,
    label: reply.title,
    detail: reply.text,
    run() {
      if (reply.choices) openSavedChoices(reply);
      else insertReply(reply);
      const body = new URLSearchParams({ conversation });
      fetch(useUrl.replace("/0/", `/${reply.id}/`), { method: "POST", headers: { "X-CSRFToken": csrfToken() }, body, keepalive: true }).catch(() => null);
    },
  }));
}

function insertReply({ text, files }) {
  composer().focus();
  composer().setRangeText(text, composer().selectionStart, composer().selectionEnd, "end");
  composer().dispatchEvent(new InputEvent("input", { bubbles: true }));
  attachStoredFiles(files);
}

// -- showing and choosing ---------------------------------------------------------------------------------------------

async function update() {
  const search = ++lastSearch;
  const text = query.value.trim();
  const words = foldText(text).split(/\s+/);
  const isMatch = ({ label }) => words.every((word) => foldText(label).includes(word));
  show([...actions(), ...pages()].filter(isMatch), text);
  if (!text) return;
  clearTimeout(timer);
  await new Promise((resolve) => (timer = setTimeout(resolve, SEARCH_DELAY_MS)));
  const sources = [conversations, clients, macros, replies].map((source) => source(text).catch(() => []));
  for (const source of sources) {
    const found = (await source).slice(0, MAX_RESULTS_PER_GROUP);
    if (search !== lastSearch) return;
    if (found.length) show([...items, ...found], text, active);
  }
  bar.querySelector("[data-empty]").hidden = items.length > 0;
}

function show(found, text, index = 0) {
  items = found;
  const groups = Map.groupBy(items.map((item, n) => ({ ...item, n })), ({ group }) => group);
  options.replaceChildren(...[...groups].map(([name, members], n) => groupElement(name, members, `command-group-${n}`)));
  bar.querySelector("[data-empty]").hidden = true;
  bar.querySelector("[data-status]").textContent = text ? texts.count.replace("{count}", items.length) : "";
  activate(index);
}

function groupElement(name, members, id) {
  const group = make("div", "command-bar__group");
  group.setAttribute("role", "group");
  group.setAttribute("aria-labelledby", id);
  group.append(Object.assign(make("div", "command-bar__heading", name), { id }), ...members.map(optionElement));
  return group;
}

function optionElement({ label, detail, keys, n }) {
  const option = Object.assign(make("div", "command-bar__option"), { id: `command-${n}` });
  option.setAttribute("role", "option");
  option.dataset.index = n;
  option.append(Object.assign(make("span", "command-bar__label", label), { dir: "auto" }));
  if (detail) option.append(Object.assign(make("span", "command-bar__detail", detail), { dir: "auto" }));
  if (keys) option.append(keysElement(keys));
  return option;
}

// « Alt+N » as keys; the first of several.
function keysElement(keys) {
  const element = make("span", "command-bar__keys");
  const names = keys.split(" ")[0].split("+").map((key) => KEY_NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key));
  element.append(...names.map((name) => make("kbd", "", name)));
  return element;
}

function activate(index) {
  active = items.length ? (index + items.length) % items.length : 0;
  for (const option of options.querySelectorAll("[role=option]")) option.setAttribute("aria-selected", Number(option.dataset.index) === active);
  const option = document.getElementById(`command-${active}`);
  option?.scrollIntoView({ block: "nearest" });
  if (option) query.setAttribute("aria-activedescendant", option.id);
  else query.removeAttribute("aria-activedescendant");
}

function choose(index) {
  const item = items[index];
  if (!item) return;
  bar.close();
  item.run();
}

query.addEventListener("input", update);
query.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) activate(active + step);
  else if (event.key === "Enter" && !event.isComposing) choose(active);
  else return;
  event.preventDefault();
});
options.addEventListener("click", ({ target }) => choose(Number(target.closest("[role=option]")?.dataset.index ?? -1)));
bar.addEventListener("close", () => {
  lastSearch += 1;
  query.value = "";
});

// -- the sheet of keys ------------------------------------------------------------------------------------------------

function fillSheet() {
  const rows = actions().filter(({ keys }) => keys).map(({ label, keys }) => {
    const row = make("div", "key-sheet__row");
    row.append(make("dt", "", label), make("dd", ""));
    row.lastChild.append(keysElement(keys));
    return row;
  });
  sheet.querySelector("[data-keys]").replaceChildren(...rows);
  sheet.querySelector("[data-keys-part]").hidden = rows.length === 0;
}

// What was typed before this module was loaded stays.
document.addEventListener("relais:fill", ({ target }) => (target === sheet ? fillSheet() : update()));
