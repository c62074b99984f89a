// The timeline of a conversation: day separators, grouping of messages, arrival of new ones, resend buttons.
import { removeUnsent } from "./draft_storage.js";
import { insertFragment } from "./insert_fragment.js";
import { showNotice } from "./notices.js";
import { chatElement, conversationId } from "./open_conversation.js";
import { errorText, post } from "./post.js";

const GROUPING_MS = 2 * 60_000; // consecutive messages of one author within it form a group, as in conversations/timeline.py
const AT_BOTTOM_PX = 80;
const events = () => document.getElementById("thread");
const scroller = () => chatElement().querySelector("[data-thread]");
const newMessagesButton = () => chatElement().querySelector("[data-new-messages]");

const items = () => [...events().children].filter((item) => item.dataset.at);
const isMessage = (item) => item.classList.contains("message");
const isFromClient = (item) => item.dataset.author?.startsWith("client");
const highestSeq = () => Math.max(0, ...items().map((item) => Number(item.dataset.seq ?? 0)));
let lastSeq = 0;

// -- day separators and groups -------------------------------------------------------------------------

function arrange() {
  const unusedDays = new Set(events().querySelectorAll(":scope > .day"));
  let previous = null;
  for (const item of items()) {
    const startsDay = !previous || new Date(previous.dataset.at).toDateString() !== new Date(item.dataset.at).toDateString();
    if (startsDay) unusedDays.delete(daySeparatorBefore(item));
    const isContinued = !startsDay && isMessage(item) && isMessage(previous) && previous.dataset.author === item.dataset.author
      && new Date(item.dataset.at) - new Date(previous.dataset.at) < GROUPING_MS;
    item.classList.toggle("is-continued", isContinued);
    previous?.classList.toggle("is-followed", isContinued);
    previous = item;
  }
  previous?.classList.remove("is-followed");
  unusedDays.forEach((day) => day.remove());
}

function daySeparatorBefore(item) {
  if (item.previousElementSibling?.matches(".day")) return item.previousElementSibling;
  const day = Object.assign(document.createElement("li"), { className: "day" });
  const time = Object.assign(document.createElement("time"), { dateTime: item.dataset.at });
  time.dataset.time = "day";
  day.append(time);
  item.before(day);
  return day;
}

// -- scrolling -----------------------------------------------------------------------------------------

// The scroller is a reversed column: its bottom, with the newest message, is scrollTop 0.
export function scrollToNewest() {
  scroller().scrollTo({ top: 0 });
}

const isAtNewest = () => Math.abs(scroller().scrollTop) < AT_BOTTOM_PX;
document.addEventListener("scroll", ({ target }) => {
  if (target.matches?.("[data-thread]") && isAtNewest()) newMessagesButton().hidden = true;
}, { passive: true, capture: true });
document.addEventListener("click", ({ target }) => target.closest("[data-new-messages]") && scrollToNewest());

// -- new messages ----------------------------------------------------------------------------------------

function onItemAdded(item) {
  if (!isMessage(item) || !item.dataset.seq || Number(item.dataset.seq) <= lastSeq) return;
  lastSeq = Number(item.dataset.seq);
  if (chatElement().hasAttribute("data-earlier-page")) return; // scrolled to, not new
  item.classList.add("is-new");
  // A message sent from this page is already shown as unsent, under the same ref.
  if (item.dataset.ref) {
    events().querySelector(`.is-unsent[data-ref="${CSS.escape(item.dataset.ref)}"]`)?.remove();
    removeUnsent(conversationId(), item.dataset.ref);
  }
  if (isAtNewest()) scrollToNewest();
  else newMessagesButton().hidden = !isFromClient(item);
  if (!isFromClient(item)) return;
  chatElement().querySelector("[data-announce]").textContent = `${item.querySelector(".message__by").textContent.trim()}\u00a0: ${item.querySelector(".bubble__text")?.textContent ?? ""}`;
  markRead();
}

let hasUnread = false; // of the conversation on the page
let isMarkingRead = false; // one request at a time: after a disconnection hundreds of messages arrive at once
async function markRead() {
  hasUnread = ["data-mine", "data-unread"].some((name) => chatElement().hasAttribute(name));
  if (!hasUnread || isMarkingRead || document.hidden) return;
  isMarkingRead = true;
  hasUnread = false;
  await post(chatElement().dataset.readUrl);
  isMarkingRead = false;
  if (hasUnread) markRead();
}
document.addEventListener("visibilitychange", () => hasUnread && markRead());

// Once per animation frame: after a disconnection hundreds of fragments may arrive within one.
let arrangeRequest = 0;
function scheduleArrange() {
  arrangeRequest ||= (document.hidden ? setTimeout : requestAnimationFrame)(() => {
    arrangeRequest = 0;
    arrange();
  });
}

const additions = new MutationObserver((changes) => {
  for (const { addedNodes } of changes)
    for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) onItemAdded(node);
  scheduleArrange();
  checkComplete();
});

// The reader scrolled down from an earlier part of the timeline to its end: from here on it is live, from the rev that
// this part was rendered at.
function checkComplete() {
  if (!chatElement().hasAttribute("data-earlier-page") || events().querySelector(":scope > .later")) return;
  chatElement().removeAttribute("data-earlier-page");
  document.dispatchEvent(new CustomEvent("relais:timeline-complete"));
}

document.addEventListener("relais:conversation-left", () => {
  additions.disconnect();
  hasUnread = false;
});
document.addEventListener("relais:conversation-opened", () => {
  lastSeq = highestSeq();
  arrange();
  additions.observe(events(), { childList: true });
  if (chatElement().hasAttribute("data-unread")) markRead();
});

// -- « Renvoyer », « C'est arrivé », « Réessayer » ---------------------------------------------------------------------------

document.addEventListener("submit", async (event) => {
  if (event.target.id !== "resend-form") return;
  event.preventDefault();
  const conversation = conversationId();
  const button = event.submitter;
  const buttons = [...button.parentElement.children];
  buttons.forEach((each) => (each.disabled = true));
  const response = await post(button.formAction, { event: button.value });
  if (conversation !== conversationId()) return;
  const delivery = button.closest(".delivery");
  if (response.success) {
    button.parentElement.remove();
    insertFragment(response.html);
    return delivery && scrollToNewest();
  }
  buttons.forEach((each) => (each.disabled = false));
  if (!delivery) return showNotice(errorText(response), "error");
  delivery.querySelector(".delivery__error").textContent = errorText(response);
});
