// The list of clients above the phones: select one, add one.

import { post } from "./api.js";
import { element } from "./bubble.js";
import { initials } from "./phone.js";
import { translate } from "./translate.js";

export function drawClientList(list, clients, { isOpen, unreadOf, onChoose }) {
  const items = clients.map((client) => {
    const item = element("li");
    const button = element("button");
    button.type = "button";
    button.dataset.chip = client.address;
    button.setAttribute("aria-pressed", String(isOpen(client.address)));
    const name = element("span", "", client.name);
    name.dir = "auto";
    button.append(element("span", "initials", initials(client.name)), name);
    button.firstElementChild.setAttribute("aria-hidden", "true");
    const unread = unreadOf(client.address);
    if (unread) {
      const count = element("span", "unread", String(unread));
      count.append(element("span", "unseen", ` ${translate(unread > 1 ? "messages non lus" : "message non lu")}`));
      button.append(count);
    }
    button.addEventListener("click", () => onChoose(client.address));
    item.append(button);
    return item;
  });
  const focused = document.activeElement?.dataset?.chip;
  list.replaceChildren(...items);
  if (focused) list.querySelector(`[data-chip="${CSS.escape(focused)}"]`)?.focus();
}

export function setUpAddDialog(dialog, button, onAdded) {
  const form = dialog.querySelector("form");
  const errorText = dialog.querySelector(".refusal");
  const showError = (sentence) => {
    errorText.textContent = sentence;
    errorText.hidden = !sentence;
  };
  button.addEventListener("click", () => {
    form.reset();
    showError("");
    dialog.showModal();
  });
  dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const client = await post("people", { name: form.elements.name.value, number: form.elements.number.value });
      dialog.close();
      onAdded(client);
    } catch (error) {
      showError(error.message);
      form.elements.number.focus();
    }
  });
}
