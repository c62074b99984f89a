// The time of a message in a dialog: a date that is typed is chosen, a time outside the window is warned of, and a date is said
// in the company's time zone, too. Bundled with each dialog that has one: to run twice changes nothing.
const chosenChoice = (form) => form.querySelector("[name=when]:checked")?.closest("label");

export function showTime(form) {
  const times = form.querySelector("[data-schedule-times]");
  if (!times) return;
  const at = Date.parse(form.elements.when_at.value);
  const isDate = form.elements.when.value === "at";
  const closes = Date.parse(times.dataset.windowCloses);
  const isOutside = isDate ? at > 0 && !(at < closes) : chosenChoice(form)?.hasAttribute("data-outside");
  const warning = form.querySelector("[data-schedule-warning]");
  if (warning) warning.hidden = !isOutside;
  const output = times.querySelector("[data-company-time]");
  if (!output) return;
  const format = { dateStyle: "medium", timeStyle: "short", hourCycle: "h23", timeZone: times.dataset.companyZone };
  output.value = isDate && at ? `(${new Intl.DateTimeFormat(document.documentElement.lang, format).format(at)})` : "";
}

document.addEventListener("input", ({ target }) => {
  const form = target.closest?.("form:has([data-schedule-times])");
  if (!form) return;
  if (target.matches("[data-when-at]")) form.querySelector("[name=when][value=at]").checked = true;
  if (target.matches("[name=when][value=now]")) form.elements.when_at.value = ""; // a date would count all the same
  showTime(form);
});
