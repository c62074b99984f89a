// The preview of a template follows what is typed for its variables.
const PLACEHOLDER = /\{\{\s*([^{}\s]+)\s*\}\}/g;

document.addEventListener("input", ({ target }) => {
  if (!target.matches("[data-variable]")) return;
  const form = target.form;
  const values = {};
  for (const { dataset, value } of form.querySelectorAll("[data-variable]")) values[dataset.variable] = value.trim();
  for (const part of form.querySelectorAll("[data-raw]")) {
    part.textContent = part.dataset.raw.replace(PLACEHOLDER, (whole, name) => values[name] || whole);
  }
});
