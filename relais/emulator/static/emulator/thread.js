// The messages of one phone, in the order of writing, by days.

import { bubble, element, refresh } from "./bubble.js";

const KEPT = 300;
const TOGETHER_MS = 2 * 60 * 1000;

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

  draw({ toTheEnd = false } = {}) {
    const atTheEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 80;
    this.empty.hidden = this.messages.size > 0;
    place(this.list, this.lines());
    if (toTheEnd || atTheEnd) this.toTheEnd();
  }

  toTheEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    // A picture grows when it is there.
    for (const image of this.list.querySelectorAll("img")) {
      if (!image.complete) image.addEventListener("load", () => (this.list.scrollTop = this.list.scrollHeight), { once: true });
    }
  }

  lines() {
    const lines = [];
    let before = null;
    for (const message of this.inOrder()) {
      const at = new Date(message.at);
      if (!before || before.at.toDateString() !== at.toDateString()) lines.push(this.day(at));
      const line = this.line(message);
      const together = before && before.mine === message.mine && at - before.at < TOGETHER_MS;
      line.classList.toggle("apart", !together);
      lines.push(line);
      before = { at, mine: message.mine };
    }
    return lines;
  }

  inOrder() {
    return [...this.messages.values()].sort((one, other) => (one.at < other.at ? -1 : 1)).slice(-KEPT);
  }

  line(message) {
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
  if (days < 2) return ["Aujourd'hui", "Hier"][Math.max(days, 0)];
  return at.toLocaleDateString("fr-FR", { weekday: "long", day: "numeric", month: "long" });
}

// Moves only what is not in its place, so that nothing is announced or animated again.
function place(list, lines) {
  lines.forEach((line, index) => {
    if (list.children[index] !== line) list.insertBefore(line, list.children[index] ?? null);
  });
  while (list.children.length > lines.length) list.lastElementChild.remove();
}
