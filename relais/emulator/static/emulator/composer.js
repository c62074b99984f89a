// Writing: text, one file, Enter sends. What could not be sent stays where it was.

import { post, upload } from "./api.js";

const withKeyboard = matchMedia("(pointer: fine)");

export function composer(form, address, onSent) {
  const text = form.elements.body;
  const file = form.querySelector("input[type=file]");
  const refusal = form.querySelector(".refusal");
  const attached = form.querySelector(".attached");
  const button = form.querySelector(".send");

  const showFile = () => {
    attached.hidden = !file.files.length;
    attached.querySelector("span").textContent = file.files[0]?.name ?? "";
  };
  const say = (sentence) => {
    refusal.textContent = sentence;
    refusal.hidden = !sentence;
  };
  const send = async () => {
    const body = text.value.trim();
    if (button.disabled || (!body && !file.files.length)) return;
    button.disabled = true;
    say("");
    try {
      const media = file.files.length ? (await upload(file.files[0])).media : undefined;
      const message = await post("messages", { from: address, body, media });
      form.reset();
      showFile();
      onSent(message);
    } catch (error) {
      say(error.message);
    }
    button.disabled = false;
    text.focus();
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
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !withKeyboard.matches) return;
    event.preventDefault();
    send();
  });
}
