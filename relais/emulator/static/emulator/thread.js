// The messages of one phone in order, separated by days.

import { bubble, element, refresh } from "./bubble.js";
import { languageTag, translate } from "./translate.js";

const MAX_SHOWN_MESSAGES = 300;
const SCROLL_TOLERANCE_PX = 80;
const GROUP_MS = 2 * 60 * 1000;

export class Thread {
  constructor(list, empty) {
    this.list = list;
    this.empty = empty;
    this.messages = new Map();
    this.drawn = new Map();
  }

  add(message) {
    this.messages.set(message.sid, message);
    if (this.drawn.has(message.sid)) refresh(this.drawn.get(message.sid), message);
  }

  clear() {
    this.messages.clear();
    this.drawn.clear();
    this.draw();
  }

  get unread() {
    return [...this.messages.values()].filter((message) => !message.mine && message.state === "delivered");
  }

  draw({ scrollToEnd = false } = {}) {
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < SCROLL_TOLERANCE_PX;
    this.empty.hidden = this.messages.size > 0;
    reorder(this.list, this.items());
    if (scrollToEnd || isAtEnd) this.scrollToEnd();
  }

  scrollToEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    // A picture takes its height only when loaded.
    for (const image of this.list.querySelectorAll("img")) {
      if (!image.complete) image.addEventListener("load", () => (this.list.scrollTop = this.list.scrollHeight), { once: true });
    }
  }

  items() {
    const items = [];
    let previous = null;
    for (const message of this.inOrder()) {
      const at = new Date(message.at);
      if (!previous || previous.at.toDateString() !== at.toDateString()) items.push(this.day(at));
      const item = this.item(message);
      const isGrouped = previous && previous.mine === message.mine && at - previous.at < GROUP_MS;
      item.classList.toggle("apart", !isGrouped);
      items.push(item);
      previous = { at, mine: message.mine };
    }
    return items;
  }

  inOrder() {
    return [...this.messages.values()].sort((one, other) => (one.at < other.at ? -1 : 1)).slice(-MAX_SHOWN_MESSAGES);
  }

  item(message) {
    if (!this.drawn.has(message.sid)) this.drawn.set(message.sid, bubble(message));
    return this.drawn.get(message.sid);
  }

  day(at) {
    const key = at.toDateString();
    if (!this.drawn.has(key)) this.drawn.set(key, element("li", "day"));
    this.drawn.get(key).textContent = dayName(at);
    return this.drawn.get(key);
  }
}

function dayName(at) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86400000);
  if (days < 2) return translate(["Aujourd'hui", "Hier"][Math.max(days, 0)]);
  return at.toLocaleDateString(languageTag, { weekday: "long", day: "numeric", month: "long" });
}

// Moves only items out of place, so that screen readers announce and CSS animates nothing again.
function reorder(list, items) {
  items.forEach((item, index) => {
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
  while (list.children.length > items.length) list.lastElementChild.remove();
}
