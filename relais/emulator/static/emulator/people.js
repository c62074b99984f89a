// The clients above the phones: choosing one, adding one.

import { post } from "./api.js";
import { element } from "./bubble.js";
import { initials } from "./phone.js";

export function chips(list, people, { isOpen, unreadOf, onChoose }) {
  const made = people.map((person) => {
    const item = element("li");
    const button = element("button");
    button.type = "button";
    button.dataset.chip = person.address;
    button.setAttribute("aria-pressed", String(isOpen(person.address)));
    const name = element("span", "", person.name);
    name.dir = "auto";
    button.append(element("span", "initials", initials(person.name)), name);
    button.firstElementChild.setAttribute("aria-hidden", "true");
    const unread = unreadOf(person.address);
    if (unread) {
      const count = element("span", "unread", String(unread));
      count.append(element("span", "unseen", unread > 1 ? " messages non lus" : " message non lu"));
      button.append(count);
    }
    button.addEventListener("click", () => onChoose(person.address));
    item.append(button);
    return item;
  });
  const focused = document.activeElement?.dataset?.chip;
  list.replaceChildren(...made);
  if (focused) list.querySelector(`[data-chip="${CSS.escape(focused)}"]`)?.focus();
}

export function addDialog(dialog, button, onAdded) {
  const form = dialog.querySelector("form");
  const refusal = dialog.querySelector(".refusal");
  const say = (sentence) => {
    refusal.textContent = sentence;
    refusal.hidden = !sentence;
  };
  button.addEventListener("click", () => {
    form.reset();
    say("");
    dialog.showModal();
  });
  dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const person = await post("people", { name: form.elements.name.value, number: form.elements.number.value });
      dialog.close();
      onAdded(person);
    } catch (error) {
      say(error.message);
      form.elements.number.focus();
    }
  });
}
