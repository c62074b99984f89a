// One client's phone: its owner, its messages, and read receipts.

import { post } from "./api.js";
import { composer } from "./composer.js";
import { Thread } from "./thread.js";
import { translate } from "./translate.js";

export class Phone {
  constructor(client, company, { onHide, onRemove, onChange }) {
    this.client = client;
    this.element = document.getElementById("phone").content.firstElementChild.cloneNode(true);
    this.element.dataset.phone = client.address;
    this.element.ariaLabel = translate("Téléphone de {name}", { name: client.name });
    this.fill(".owner", client.name, client.number);
    this.fill(".contact", company.name, company.number);
    const empty = this.element.querySelector(".empty");
    empty.textContent = translate("Écrivez à {name}\u00a0: le message arrive à l'équipe comme par WhatsApp.", company);
    this.thread = new Thread(this.element.querySelector(".thread"), empty);
    this.reported = new Set();
    this.thread.list.addEventListener("click", ({ target }) => {
      const choice = target.closest("button[data-question]");
      if (choice) this.tap(choice, company, onChange);
    });
    this.element.querySelector("[data-hide]").addEventListener("click", onHide);
    this.element.querySelector("[data-remove]").addEventListener("click", onRemove);
    composer(this.element.querySelector("form"), client.address, (message) => {
      this.receive(message);
      this.thread.draw({ scrollToEnd: true });
      onChange();
    });
  }

  // The parameters with which Twilio reports a tap on a button or a list item.
  async tap(choice, company, onChange) {
    const { question, kind, payload, description } = choice.dataset;
    const title = choice.textContent;
    const reply = kind === "ITEM"
      ? { ListId: payload, ListTitle: title, ...(description && { ListDescription: description }), MessageType: "interactive" }
      : { ButtonPayload: payload, ButtonText: title, ButtonType: "REPLY", MessageType: "button" };
    choice.disabled = true;
    const extra = { ...reply, OriginalRepliedMessageSid: question, OriginalRepliedMessageSender: `whatsapp:${company.number.replace(/[^+\d]/g, "")}` };
    try {
      this.receive(await post("messages", { from: this.client.address, body: title, extra }));
      this.thread.draw({ scrollToEnd: true });
      onChange();
    } catch (error) {
      const refusal = this.element.querySelector(".refusal");
      Object.assign(refusal, { textContent: error.message, hidden: false });
    } finally {
      choice.disabled = false;
    }
  }

  fill(part, name, number) {
    const header = this.element.querySelector(part);
    header.querySelector("bdi").textContent = name;
    header.querySelector(".number").textContent = number;
    header.querySelector(".initials").textContent = initials(name);
  }

  receive(message) {
    // The response to a POST may arrive after a newer state from long polling.
    const current = this.thread.messages.get(message.sid);
    if (!current || current.change <= message.change) this.thread.add(message);
  }

  // The company writes: shown in place of its number, for so many seconds unless its message comes first.
  showTyping(seconds) {
    const line = this.element.querySelector(".contact .typing");
    clearTimeout(this.typingTimer);
    line.hidden = !seconds;
    line.nextElementSibling.hidden = Boolean(seconds);
    if (seconds) this.typingTimer = setTimeout(() => this.showTyping(0), seconds * 1000);
  }

  get isVisible() {
    return this.element.isConnected && document.visibilityState === "visible";
  }

  // Report the visible messages as read, once each.
  reportRead() {
    if (!this.isVisible) return;
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
