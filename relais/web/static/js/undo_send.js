// « Annuler » on a message that is still held in the outbox: by its button, or by Ctrl+Z in an empty composer. The button
// is part of every viewer's message; a rule of a style sheet shows it to the author alone.
import { addFiles } from "./attachments.js";
import { putBackText } from "./composer.js";
import { insertFragment } from "./insert_fragment.js";
import { showNotice } from "./notices.js";
import { errorText, post } from "./post.js";

const sheet = new CSSStyleSheet();
document.adoptedStyleSheets.push(sheet);
sheet.replaceSync(`@layer components { [data-author="agent:${document.body.dataset.user}"] .delivery__undo { display: flex; } }`);

const newestUndo = () => [...document.querySelectorAll(`#thread [data-author="agent:${document.body.dataset.user}"] [data-undo]`)].at(-1);

async function undo(button) {
  button.disabled = true;
  const response = await post(button.formAction, { event: button.value });
  if (!response.success) return showNotice(errorText(response), "error");
  // With it goes all that was sent at the same time.
  const undone = (response.fragments ?? [response.html]).map(insertFragment);
  const texts = undone.map((item) => item?.querySelector(".bubble__text")?.textContent).filter(Boolean);
  const thread = document.getElementById("thread");
  if (!putBackText(texts.join("\n"))) return;
  const shown = undone.flatMap((item) => [...(item?.querySelectorAll("[data-file]") ?? [])]);
  const files = (await Promise.all(shown.map(({ dataset }) => fetchFile(dataset.file)))).filter(Boolean);
  if (files.length && thread.isConnected) addFiles(files);
}

// Its name is the server's, which has it.
async function fetchFile(url) {
  try {
    const response = await fetch(url);
    if (!response.ok || response.redirected) return null;
    const name = /filename\*=utf-8''([^;]+)/i.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
    const plain = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
    const blob = await response.blob();
    return new File([blob], name ? decodeURIComponent(name) : (plain ?? url.split("/").at(-1)), { type: blob.type });
  } catch { return null; }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-undo]");
  if (!button) return;
  event.preventDefault();
  undo(button);
});

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.key.toLowerCase() !== "z") return;
  const button = event.target.matches("[data-composer] textarea") && !event.target.value && newestUndo();
  if (!button) return;
  event.preventDefault();
  undo(button);
});
