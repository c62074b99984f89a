// Writing: text, one file, Enter sends. What could not be sent stays where it was.

import { post, upload } from "./api.js";

const withKeyboard = matchMedia("(pointer: fine)");

export function composer(form, address, onSent) {
  const text = form.elements.body;
  const file = form.querySelector("input[type=file]");
  const refusal = form.querySelector(".refusal");
  const attached = form.querySelector(".attached");

  const showFile = () => {
    attached.hidden = !file.files.length;
    attached.querySelector("span").textContent = file.files[0]?.name ?? "";
  };
  const say = (sentence) => {
    refusal.textContent = sentence;
    refusal.hidden = !sentence;
  };
  // One after the other, however quickly they are written; the field is free at once for the next.
  let before = Promise.resolve();
  const send = () => {
    const body = text.value.trim();
    const chosen = file.files[0];
    if (!body && !chosen) return;
    say("");
    form.reset();
    showFile();
    text.focus();
    before = before.then(() => deliver(body, chosen));
  };
  const deliver = async (body, chosen) => {
    try {
      const media = chosen ? (await upload(chosen)).media : undefined;
      onSent(await post("messages", { from: address, body, media }));
    } catch (error) {
      say(error.message);
      giveBack(body, chosen);
    }
  };
  const giveBack = (body, chosen) => {
    text.value = [body, text.value].filter(Boolean).join("\n");
    if (!chosen || file.files.length) return;
    const kept = new DataTransfer();
    kept.items.add(chosen);
    file.files = kept.files;
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
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !withKeyboard.matches) return;
    event.preventDefault();
    send();
  });
}
