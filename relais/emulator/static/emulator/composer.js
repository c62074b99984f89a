// The message form: text and one file; Enter sends. What could not be sent is put back.

import { post, upload } from "./api.js";

const hasKeyboard = matchMedia("(pointer: fine)");

export function composer(form, address, onSent) {
  const text = form.elements.body;
  const file = form.querySelector("input[type=file]");
  const errorText = form.querySelector(".refusal");
  const attached = form.querySelector(".attached");

  const showFile = () => {
    attached.hidden = !file.files.length;
    attached.querySelector("span").textContent = file.files[0]?.name ?? "";
  };
  const showError = (sentence) => {
    errorText.textContent = sentence;
    errorText.hidden = !sentence;
  };
  // Sent one after the other; the field is free for the next message at once.
  let previous = Promise.resolve();
  const send = () => {
    const body = text.value.trim();
    const chosen = file.files[0];
    if (!body && !chosen) return;
    showError("");
    form.reset();
    showFile();
    text.focus();
    previous = previous.then(() => deliver(body, chosen));
  };
  const deliver = async (body, chosen) => {
    try {
      const media = chosen ? (await upload(chosen)).media : undefined;
      onSent(await post("messages", { from: address, body, media }));
    } catch (error) {
      showError(error.message);
      putBack(body, chosen);
    }
  };
  const putBack = (body, chosen) => {
    text.value = [body, text.value].filter(Boolean).join("\n");
    if (!chosen || file.files.length) return;
    const transfer = new DataTransfer();
    transfer.items.add(chosen);
    file.files = transfer.files;
    showFile();
  };

  file.addEventListener("change", showFile);
  form.querySelector("[data-detach]").addEventListener("click", () => {
    file.value = "";
    showFile();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !hasKeyboard.matches) return;
    event.preventDefault();
    send();
  });
}
