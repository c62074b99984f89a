// The rows of choices (web/choice_fields.html): as many as the kind allows, one empty after the last that is filled in.
const titleOf = (row) => row.querySelector("[data-choice-title]");
const descriptionOf = (row) => row.querySelector("[data-choice-description]");
const isFilled = (row) => titleOf(row).value.trim() !== "";
const rowsOf = (fields) => [...fields.querySelectorAll("[data-choice-row]")];
const isList = (fields) => fields.querySelector("[name=kind]:checked").value === "list";

export function updateRows(fields) {
  const rows = rowsOf(fields);
  const takesDescriptions = isList(fields);
  const most = takesDescriptions ? rows.length : Number(fields.dataset.maxButtons);
  for (const part of fields.querySelectorAll("[data-list-only]")) part.hidden = !takesDescriptions;
  rows.forEach((row, number) => {
    titleOf(row).maxLength = takesDescriptions ? fields.dataset.maxItemTitle : fields.dataset.maxButtonTitle;
    const isNeeded = number < 2 || isFilled(row) || isFilled(rows[number - 1]);
    row.hidden = !isNeeded || (number >= most && !isFilled(row));
  });
}

export function choicesOf(fields) {
  return rowsOf(fields)
    .map((row) => ({ title: titleOf(row).value.trim(), description: isList(fields) ? descriptionOf(row).value.trim() : "" }))
    .filter(({ title, description }) => title || description);
}

export function fillRows(fields, { kind, button, items }) {
  fields.querySelector(`[name=kind][value=${kind}]`).checked = true;
  fields.querySelector("[name=button]").value = button;
  rowsOf(fields).forEach((row, number) => {
    titleOf(row).value = items[number]?.title ?? "";
    descriptionOf(row).value = items[number]?.description ?? "";
  });
}
