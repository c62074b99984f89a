// The history: days, groups, the place of each message, and what happens when a new one comes.
import { tell } from "./notices.js";
import { place } from "./place.js";
import { post, sentenceOf } from "./post.js";
import { drop } from "./unsent.js";

const TOGETHER = 2 * 60_000;
const NEAR = 80;
const chat = document.getElementById("chat");
const scroller = chat.querySelector("[data-thread]");
const events = document.getElementById("thread");
const pill = chat.querySelector("[data-newest]");
const announcer = chat.querySelector("[data-announce]");

const items = () => [...events.children].filter((item) => item.dataset.at);
const isMessage = (item) => item.classList.contains("message");
const isFromClient = (item) => item.dataset.author?.startsWith("client");
const lastSeq = () => Math.max(0, ...items().map((item) => Number(item.dataset.seq ?? 0)));
let known = lastSeq();

// -- days and groups ---------------------------------------------------------------------------------

function arrange() {
  const unused = new Set(events.querySelectorAll(":scope > .day"));
  let before = null;
  for (const item of items()) {
    const startsDay = !before || new Date(before.dataset.at).toDateString() !== new Date(item.dataset.at).toDateString();
    if (startsDay) unused.delete(dayBefore(item));
    const goesOn = !startsDay && isMessage(item) && isMessage(before) && before.dataset.author === item.dataset.author
      && new Date(item.dataset.at) - new Date(before.dataset.at) < TOGETHER;
    item.classList.toggle("is-continued", goesOn);
    before?.classList.toggle("is-followed", goesOn);
    before = item;
  }
  before?.classList.remove("is-followed");
  unused.forEach((day) => day.remove());
}

function dayBefore(item) {
  if (item.previousElementSibling?.matches(".day")) return item.previousElementSibling;
  const day = Object.assign(document.createElement("li"), { className: "day" });
  const time = Object.assign(document.createElement("time"), { dateTime: item.dataset.at });
  time.dataset.time = "day";
  day.append(time);
  item.before(day);
  return day;
}

// -- the newest ----------------------------------------------------------------------------------------

export function toNewest() {
  scroller.scrollTo({ top: 0 });
}

const isAtNewest = () => Math.abs(scroller.scrollTop) < NEAR;
scroller.addEventListener("scroll", () => isAtNewest() && (pill.hidden = true), { passive: true });
pill.addEventListener("click", toNewest);

// -- what comes --------------------------------------------------------------------------------------------

function arrived(item) {
  if (!isMessage(item) || !item.dataset.seq || Number(item.dataset.seq) <= known) return;
  known = Number(item.dataset.seq);
  item.classList.add("is-new");
  // The answer to what this page sent is already on the screen, under the same ref.
  if (item.dataset.ref) {
    events.querySelector(`.is-unsent[data-ref="${CSS.escape(item.dataset.ref)}"]`)?.remove();
    drop(item.dataset.ref);
  }
  if (isAtNewest()) toNewest();
  else pill.hidden = !isFromClient(item);
  if (!isFromClient(item)) return;
  announcer.textContent = `${item.querySelector(".message__by").textContent.trim()}\u00a0: ${item.querySelector(".bubble__text")?.textContent ?? ""}`;
  markRead();
}

let unread = false;
let isTelling = false; // one at a time: after an absence hundreds of messages come at once
async function markRead() {
  unread = chat.hasAttribute("data-mine");
  if (!unread || isTelling || document.hidden) return;
  isTelling = true;
  unread = false;
  await post(chat.dataset.readUrl);
  isTelling = false;
  if (unread) markRead();
}
document.addEventListener("visibilitychange", () => unread && markRead());

// Once for all that comes before the next picture: after an absence that may be hundreds of pieces.
let soon = 0;
function arrangeSoon() {
  soon ||= (document.hidden ? setTimeout : requestAnimationFrame)(() => {
    soon = 0;
    arrange();
  });
}

new MutationObserver((changes) => {
  for (const { addedNodes } of changes)
    for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) arrived(node);
  arrangeSoon();
}).observe(events, { childList: true });
arrange();

// -- « Renvoyer », « C'est arrivé », « Réessayer » ---------------------------------------------------------------------------

document.getElementById("again").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.submitter;
  const choices = [...button.parentElement.children];
  choices.forEach((choice) => (choice.disabled = true));
  const said = await post(button.formAction, { event: button.value });
  const delivery = button.closest(".delivery");
  if (said.success) {
    button.parentElement.remove();
    place(said.html);
    return delivery && toNewest();
  }
  choices.forEach((choice) => (choice.disabled = false));
  if (!delivery) return tell(sentenceOf(said), "error");
  delivery.querySelector(".delivery__trouble").textContent = sentenceOf(said);
});
