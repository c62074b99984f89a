// The message form: text and files; Enter sends. What could not be sent is put back. WhatsApp carries one file a message.

import { post, upload } from "./api.js";
import { samples } from "./samples.js";

const hasKeyboard = matchMedia("(pointer: fine)");

export function composer(form, address, onSent) {
  const text = form.elements.body;
  const file = form.querySelector("input[type=file]");
  const errorText = form.querySelector(".refusal");
  const attached = form.querySelector(".attached");

  const showFile = () => {
    attached.hidden = !file.files.length;
    attached.querySelector("span").textContent = [...file.files].map(({ name }) => name).join(", ");
  };
  const showError = (sentence) => {
    errorText.textContent = sentence;
    errorText.hidden = !sentence;
  };
  // Sent one after the other; the field is free for the next message at once.
  let previous = Promise.resolve();
  const send = () => {
    const body = text.value.trim();
    const chosen = [...file.files];
    if (!body && !chosen.length) return;
    showError("");
    form.reset();
    showFile();
    text.focus();
    previous = previous.then(() => deliver(body, chosen));
  };
  const deliver = async (body, chosen) => {
    const left = chosen.length ? [...chosen] : [null];
    let caption = body; // of the first file
    try {
      while (left.length) {
        const media = left[0] ? (await upload(left[0])).media : undefined;
        onSent(await post("messages", { from: address, body: caption, media }));
        caption = "";
        left.shift();
      }
    } catch (error) {
      showError(error.message);
      putBack(caption, left.filter(Boolean));
    }
  };
  const putBack = (body, chosen) => {
    text.value = [body, text.value].filter(Boolean).join("\n");
    if (!chosen.length || file.files.length) return;
    const transfer = new DataTransfer();
    chosen.forEach((each) => transfer.items.add(each));
    file.files = transfer.files;
    showFile();
  };
  const sendSample = async (name) => {
    showError("");
    try {
      const sample = await samples[name]();
      const media = sample.file ? (await upload(sample.file)).media : undefined;
      onSent(await post("messages", { from: address, body: "", media, extra: sample.extra }));
    } catch (error) {
      showError(error.message);
    }
  };

  const menu = form.querySelector(".samples");
  menu.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-sample]");
    if (!button) return;
    menu.open = false;
    menu.querySelector("summary").focus();
    previous = previous.then(() => sendSample(button.dataset.sample));
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

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
