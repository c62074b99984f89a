// One client's phone: whose it is, what stands on it, and what he has seen.

import { post } from "./api.js";
import { composer } from "./composer.js";
import { Thread } from "./thread.js";

export class Phone {
  constructor(person, company, { onHide, onRemove, onChange }) {
    this.person = person;
    this.element = document.getElementById("phone").content.firstElementChild.cloneNode(true);
    this.element.dataset.phone = person.address;
    this.element.ariaLabel = `Téléphone de ${person.name}`;
    this.fill(".owner", person.name, person.number);
    this.fill(".contact", company.name, company.number);
    const empty = this.element.querySelector(".empty");
    empty.textContent = `Écrivez à ${company.name}\u00a0: le message arrive à l'équipe comme par WhatsApp.`;
    this.thread = new Thread(this.element.querySelector(".thread"), empty);
    this.reported = new Set();
    this.element.querySelector("[data-hide]").addEventListener("click", onHide);
    this.element.querySelector("[data-remove]").addEventListener("click", onRemove);
    composer(this.element.querySelector("form"), person.address, (message) => {
      this.receive(message);
      this.thread.draw({ toTheEnd: true });
      onChange();
    });
  }

  fill(part, name, number) {
    const header = this.element.querySelector(part);
    header.querySelector("bdi").textContent = name;
    header.querySelector(".number").textContent = number;
    header.querySelector(".initials").textContent = initials(name);
  }

  receive(message) {
    // The answer to a sending may come after the line told more.
    const known = this.thread.messages.get(message.sid);
    if (!known || known.change <= message.change) this.thread.add(message);
  }

  get isSeen() {
    return this.element.isConnected && document.visibilityState === "visible";
  }

  // Tells the company that what stands on the screen was read.
  reportRead() {
    if (!this.isSeen) return;
    const sids = this.thread.unread.map((message) => message.sid).filter((sid) => !this.reported.has(sid));
    if (!sids.length) return;
    sids.forEach((sid) => this.reported.add(sid));
    post("read", { sids }).catch(() => sids.forEach((sid) => this.reported.delete(sid)));
  }
}

export function initials(name) {
  const words = name.split(/[\s-]+/u).filter((word) => /\p{L}/u.test(word));
  if (!words.length) return name.replace(/\D/g, "").slice(-2) || "?";
  return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
}
