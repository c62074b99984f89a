// Choosing several rows of the list beside a conversation. What it needs is loaded when a row is first pointed at, touched
// or focused; afterwards the list has it again whenever its contents were replaced.
import { loadModule } from "./load_module.js";

const pane = () => document.querySelector(".desk__list");
let form = null;
let isLoading = false;

async function load() {
  isLoading = true;
  const response = await fetch(pane().dataset.bulkUrl, { headers: { "X-Requested-With": "fetch" } }).catch(() => null);
  isLoading = false;
  if (!response?.ok || response.redirected) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  form = page.querySelector("[data-bulk]");
  document.body.append(page.querySelector("dialog"));
  pane().append(form);
  pane().toggleAttribute("data-selectable", true);
  loadModule(pane().dataset.bulkModule).catch(() => null);
}

for (const type of ["pointerover", "pointerdown", "focusin"]) {
  document.addEventListener(type, ({ target }) => form || isLoading || !target.closest?.(".desk__list .row") || load(), { passive: true });
}
document.addEventListener("relais:list-changed", () => form && !form.isConnected && pane().append(form));
