// A slash in the composer, or the button beside it, loads quick_reply_list.js, which shows the list from then on.
import { loadModule } from "./load_module.js";

const FIELD = "[data-composer] textarea";
let isLoading = false;

async function load() {
  const { module } = document.querySelector("[data-reply-list]").dataset;
  isLoading = true;
  await loadModule(module).catch(() => null);
  isLoading = false;
}

document.addEventListener("input", ({ target }) => target.matches(FIELD) && target.value.includes("/") && load());

// « /rdv » and Enter, typed before the list is there, must not send « /rdv ».
document.addEventListener("keydown", (event) => {
  if (isLoading && event.key === "Enter" && event.target.matches(FIELD)) event.preventDefault();
}, { capture: true });

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-opens-replies]");
  const field = button?.closest("[data-composer]").elements.message;
  if (!field) return;
  field.focus();
  const before = field.value.slice(0, field.selectionStart);
  if (/(^|\s)\/$/.test(before)) return; // the list is open
  field.setRangeText(/(^|\s)$/.test(before) ? "/" : " /", field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
});
