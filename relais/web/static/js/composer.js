// Writing: Enter sends, the draft is kept, what was sent is shown at once and never lost, nothing is said twice.
import { place } from "./place.js";
import { post, sentenceOf } from "./post.js";
import { toNewest } from "./thread.js";
import { draft, drop, keep, keepDraft, messages } from "./unsent.js";

const NEAR_END = 1400;
const BY_ITSELF = 2 * 60_000; // a message that is older is sent by whoever wrote it, not by opening the page
const STAYS = 3_000;
const chat = document.getElementById("chat");
const events = document.getElementById("thread");
const templates = { unsent: document.getElementById("unsent"), kept: document.getElementById("kept-draft") };
const form = () => chat.querySelector("[data-composer]");
const field = () => form()?.elements.message;
const numeral = (number) => number.toLocaleString(document.documentElement.lang);
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
  counter.value = `${numeral(length)} / ${numeral(longest)}`;
  counter.classList.toggle("is-over", length > longest);
  if (length <= longest) say("");
  keepDraft(text);
}

// Why it was not sent, under the field; the text and the focus stay.
function say(sentence) {
  const problem = form().querySelector("[data-problem]");
  problem.hidden = !sentence;
  problem.textContent = sentence;
  if (sentence) field().setAttribute("aria-invalid", "true");
  else field().removeAttribute("aria-invalid");
}

chat.addEventListener("input", ({ target }) => target === field() && noted());
chat.addEventListener("keydown", (event) => {
  if (event.target !== field() || event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form().requestSubmit();
});
// A fresh composer (the page's first, or after a take-over) gets back what was being written. Where there is none any
// more, someone else has the conversation or it ended: what was being written stays to be read and copied.
export function begin() {
  showKept();
  if (!field()) return;
  form().elements.ref.value = newRef();
  if (!field().value) show(draft());
  else noted();
  if (matchMedia("(hover: hover)").matches) field().focus({ preventScroll: true });
}

function showKept() {
  const text = draft();
  if (field() || !text) return;
  const kept = templates.kept.content.firstElementChild.cloneNode(true);
  kept.querySelector("textarea").value = kept.querySelector("[data-copy]").dataset.copy = text;
  document.getElementById("composer").append(kept);
}

chat.addEventListener("click", ({ target }) => {
  if (!target.closest("[data-discard]")) return;
  keepDraft("");
  target.closest("[data-kept]").remove();
});

// -- sending -------------------------------------------------------------------------------------------------

let isLeft = false; // who leaves ends what is on its way before the page is hidden; who then stays is told after all
addEventListener("beforeunload", () => {
  isLeft = true;
  setTimeout(() => (isLeft = false), STAYS);
});
let turn = Promise.resolve(); // one after the other, so that they leave in the order they were written

chat.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-composer]")) return;
  event.preventDefault();
  const text = field().value.trim();
  const length = [...text].length;
  const longest = Number(form().dataset.longest);
  field().focus();
  if (!text) return;
  if (length > longest) return say(form().dataset.tooLong.replace("{length}", numeral(length)).replace("{longest}", numeral(longest)));
  const message = { ref: form().elements.ref.value, text, at: new Date().toISOString() };
  form().elements.ref.value = newRef();
  keep(message);
  show("");
  send(bubble(message), message);
});

function bubble({ text, ref, at }) {
  const item = templates.unsent.content.firstElementChild.cloneNode(true);
  item.dataset.ref = ref;
  item.dataset.at = at;
  item.dataset.author = `agent:${document.body.dataset.user}`;
  item.querySelector(".bubble__text").textContent = text;
  item.querySelector("[data-copy]").dataset.copy = text;
  events.append(item);
  toNewest();
  return item;
}

// Under the same ref each time: what the server has already is answered as it was then, and not said again.
function send(item, { ref, text, at }) {
  item.retry = () => send(item, { ref, text, at });
  keep({ ref, text, at });
  mark(item, "sending");
  turn = turn.then(async () => {
    const said = await post(chat.dataset.sendUrl, { message: text, ref }, { keepalive: true });
    if (said.success) {
      drop(ref);
      item.remove();
      place(said.html);
    } else {
      fail(item, { ref, text, at, trouble: sentenceOf(said), signIn: said.code === "login" });
    }
  });
}

function fail(item, message) {
  // Its frame may have come while the answer was lost: then the server has it. And a page that is left learns no more.
  if (!item.isConnected || isLeft) return;
  item.retry = () => send(item, message);
  keep(message);
  mark(item, "failed", message.trouble);
  item.querySelector("[data-sign-in]").hidden = !message.signIn;
}

// What the page before this one could not bring to its end.
function restore() {
  for (const message of messages()) {
    if (events.querySelector(`[data-ref="${CSS.escape(message.ref)}"]`)) drop(message.ref);
    else if (message.trouble) fail(bubble(message), message);
    else if (Date.now() - Date.parse(message.at) < BY_ITSELF) send(bubble(message), message);
    else fail(bubble(message), { ...message, trouble: templates.unsent.dataset.interrupted });
  }
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
  drop(item.dataset.ref);
  item.remove();
  field().focus();
}

if (!chat.hasAttribute("data-past")) restore();
begin();
