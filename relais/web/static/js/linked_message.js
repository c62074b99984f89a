// An address may name an element of the timeline: #message-12, #event-12 or #note-3. It is scrolled to and lit; where the
// page does not show it, the part of the timeline around it is opened.
import { openAround } from "./conversation_panes.js";

const LINKED_ID = /^(message|event|note)-\d+$/;
const events = () => document.getElementById("thread");
const inThread = (id) => events()?.querySelector(`:scope > #${CSS.escape(id)}`);

async function showLinked(id) {
  if (!LINKED_ID.test(id)) return;
  if (!inThread(id)) await openAround(id);
  const item = inThread(id);
  if (!item) return;
  document.querySelectorAll("#thread > .is-lit").forEach((other) => other.classList.remove("is-lit"));
  item.classList.add("is-lit");
  item.scrollIntoView({ block: "center" });
}

document.addEventListener("relais:hash", ({ detail }) => showLinked(detail.id));

// What is inserted at the bottom moves what is read, since the thread is scrolled from its bottom: browsers anchor it only
// while it is scrolled up from there.
document.addEventListener("htmx:beforeSwap", ({ target }) => {
  if (!target.matches("#thread > .later")) return;
  const scroller = target.closest("[data-thread]");
  const above = target.previousElementSibling;
  const topBefore = above.getBoundingClientRect().top;
  scroller.style.overflowAnchor = "none";
  new MutationObserver((changes, observer) => {
    observer.disconnect();
    scroller.scrollTop += above.getBoundingClientRect().top - topBefore;
    scroller.style.overflowAnchor = "";
  }).observe(events(), { childList: true });
});
