// A search form asks once for each state of its fields: Enter submits it, and fires `change`, before the delayed `input`.
const lastFields = new WeakMap();
const running = new WeakSet();
const isSearch = (element) => element.matches?.("form[role=search]");
const fieldsOf = (form) => new URLSearchParams(new FormData(form)).toString();

document.addEventListener("htmx:confirm", (event) => {
  const form = event.target;
  if (!isSearch(form) || fieldsOf(form) !== lastFields.get(form)) return;
  if (running.has(form) || event.detail.triggeringEvent?.type !== "submit") event.preventDefault();
});
document.addEventListener("htmx:beforeSend", ({ target: form }) => {
  if (!isSearch(form)) return;
  lastFields.set(form, fieldsOf(form));
  running.add(form);
});
document.addEventListener("htmx:afterRequest", ({ target: form, detail }) => {
  running.delete(form);
  if (!detail.successful) lastFields.delete(form);
});
