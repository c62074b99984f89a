// Writing: Enter sends, the draft is kept, what was sent is shown at once and never lost, nothing is said twice.
import { place } from "./place.js";
import { post, sentenceOf } from "./post.js";
import { toNewest } from "./thread.js";

const NEAR_END = 1400;
const chat = document.getElementById("chat");
const events = document.getElementById("thread");
const template = document.getElementById("unsent");
const kept = `relais:draft:${chat.dataset.conversation}`;
const form = () => chat.querySelector("[data-composer]");
const field = () => form()?.elements.message;
const store = (text) => { try { text ? localStorage.setItem(kept, text) : localStorage.removeItem(kept); } catch { /* no storage */ } };
const stored = () => { try { return localStorage.getItem(kept) ?? ""; } catch { return ""; } };
const newRef = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// -- the field -------------------------------------------------------------------------------------------

function show(text) {
  field().value = text;
  noted();
}

function noted() {
  const text = field().value;
  const length = [...text.trim()].length; // code points, as the server counts
  const longest = Number(form().dataset.longest);
  const counter = form().querySelector("[data-counter]");
  counter.hidden = length < NEAR_END;
  counter.value = `${length.toLocaleString(document.documentElement.lang)} / ${longest.toLocaleString(document.documentElement.lang)}`;
  counter.classList.toggle("is-over", length > longest);
  store(text);
}

chat.addEventListener("input", ({ target }) => target === field() && noted());
chat.addEventListener("keydown", (event) => {
  if (event.target !== field() || event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form().requestSubmit();
});
// A fresh composer (the page's first, or after a take-over) gets back what was being written.
export function begin() {
  if (!field()) return;
  form().elements.ref.value = newRef();
  if (!field().value) show(stored());
  else noted();
  if (matchMedia("(hover: hover)").matches) field().focus({ preventScroll: true });
}

// -- sending -------------------------------------------------------------------------------------------------

let turn = Promise.resolve(); // one after the other, so that they leave in the order they were written

chat.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-composer]")) return;
  event.preventDefault();
  const text = field().value.trim();
  if (!text || [...text].length > Number(form().dataset.longest)) return field().focus();
  const ref = form().elements.ref.value;
  form().elements.ref.value = newRef();
  show("");
  field().focus();
  send(bubble(text, ref), form().action);
});

function bubble(text, ref) {
  const item = template.content.firstElementChild.cloneNode(true);
  item.dataset.ref = ref;
  item.dataset.at = new Date().toISOString();
  item.dataset.author = `agent:${document.body.dataset.user}`;
  item.querySelector(".bubble__text").textContent = text;
  events.append(item);
  toNewest();
  return item;
}

function send(item, url) {
  turn = turn.then(async () => {
    const text = item.querySelector(".bubble__text").textContent;
    mark(item, "sending");
    const said = await post(url, { message: text, ref: item.dataset.ref });
    if (said.success) {
      item.remove();
      place(said.html);
    } else {
      mark(item, "failed", sentenceOf(said));
    }
  });
  item.retry = () => send(item, url);
}

function mark(item, state, sentence = "") {
  item.querySelector(".delivery").dataset.state = state;
  item.querySelector(".delivery__trouble").textContent = sentence;
  item.querySelector(".delivery__trouble").hidden = item.querySelector(".delivery__choices").hidden = !sentence;
}

events.addEventListener("click", ({ target }) => {
  const item = target.closest(".is-unsent");
  if (target.closest("[data-retry]")) item.retry();
  else if (item && target.closest("[data-edit]")) takeBack(item);
});

// Into the composer again, before what is written there by now; without a composer it stays where it is.
function takeBack(item) {
  if (!field()) return;
  show([item.querySelector(".bubble__text").textContent, field().value].filter(Boolean).join("\n"));
  item.remove();
  field().focus();
}

addEventListener("beforeunload", (event) => events.querySelector(".is-unsent") && event.preventDefault());
begin();
