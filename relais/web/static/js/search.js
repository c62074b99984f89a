// The search page: late answers are dropped, failures are shown in place, arrows walk through the results.
const form = () => document.querySelector("[data-search]");
const failure = () => document.querySelector("[data-search-error]");
const filledFields = (fields) => new URLSearchParams([...fields].filter(([, value]) => value)).toString();

// An answer is dropped when the form has changed since: the next one is on its way.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { elt, formData } = detail.requestConfig;
  if (elt !== form()) return;
  if (filledFields(formData) !== filledFields(new FormData(elt))) detail.shouldSwap = false;
});
// A result that has the focus keeps it when newer results replace it.
let focusedUrl = null;
document.addEventListener("htmx:beforeSwap", () => (focusedUrl = document.activeElement.closest(".results a")?.href ?? null));
document.addEventListener("htmx:afterSwap", () => {
  if (focusedUrl) hits().find((hit) => hit.href === focusedUrl)?.focus();
});
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"])
  document.addEventListener(name, ({ detail }) => {
    if (detail.elt === form()) failure().hidden = false;
  });
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt === form() && detail.successful) failure().hidden = true;
});
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-search-retry]")) form().requestSubmit();
});

// -- keyboard ------------------------------------------------------------------------------------------------------

const hits = () => [...document.querySelectorAll(".results a[href]")];

document.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp", "Escape"].includes(event.key) || event.altKey || event.ctrlKey || event.metaKey) return;
  const input = form()?.elements.q;
  const position = hits().indexOf(document.activeElement);
  if (document.activeElement !== input && position < 0) return;
  if (event.key === "Escape") {
    if (position < 0) return; // the browser clears the field
    return input.focus();
  }
  const next = position + (event.key === "ArrowDown" ? 1 : -1);
  if (next >= hits().length || (position < 0 && next < 0)) return;
  event.preventDefault();
  (hits()[next] ?? input).focus();
});
