// Entry of the page « Nouvelle conversation »: templates are filtered while typing; Enter goes to the first one found.
import "./every_page.js";
import { filterItems } from "./text_filter.js";
import "./template_preview.js";

const search = document.querySelector("[data-template-search]");

function found() {
  const matching = filterItems(document.querySelectorAll("[data-template-choice]"), search.value);
  document.querySelector("[data-template-none]").hidden = matching.length > 0;
  return matching;
}

search?.addEventListener("input", found);
search?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault();
  const radio = found()[0]?.querySelector("input");
  if (radio) Object.assign(radio, { checked: true }).focus();
});
if (search?.value) found(); // Typed before this module was loaded.
