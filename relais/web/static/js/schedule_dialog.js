// The dialogs that schedule a message and edit a scheduled one, loaded when the first of them opens. Text and files are those
// of the composer, which keeps them until the server has them: after a lost answer the same ref is sent again.
import { csrfToken } from "./csrf.js";
import { errorText } from "./post.js";
import { showTime } from "./schedule_times.js";

const DIALOG = "dialog[data-schedule-dialog]";
const askComposer = () => {
  const detail = {};
  document.dispatchEvent(new CustomEvent("relais:ask-composer", { detail }));
  return detail.form ? detail : null;
};

function prepare(dialog) {
  const form = dialog.querySelector("[data-schedule-form]");
  if (!form) return;
  const composer = form.hasAttribute("data-edit") ? null : askComposer();
  if (composer) {
    form.elements.message.value ||= composer.text;
    form.elements.ref.value = composer.ref;
    const names = form.querySelector("[data-schedule-files]");
    names.hidden = !composer.files.length;
    names.replaceChildren(...composer.files.map(({ name }) => Object.assign(document.createElement("li"), { textContent: name })));
  }
  showTime(form);
}

// -- sending -----------------------------------------------------------------------------------------------------------

async function send(form) {
  const button = form.querySelector("[type=submit]");
  if (!button || button.disabled) return;
  button.disabled = true;
  const body = new FormData(form);
  const composer = form.hasAttribute("data-edit") ? null : askComposer();
  for (const file of composer?.files ?? []) {
    if (file.token) body.append("stored_file", file.token);
    else body.append("files", file, file.name);
  }
  const answer = await fetch(form.action, { method: "POST", headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" }, body })
    .then(async (response) => ({ ...(await response.json().catch(() => ({ success: false }))), status: response.status }))
    .catch(() => ({ status: 0, success: false }));
  button.disabled = false;
  if (!answer.success) return showProblem(form, errorText(answer));
  document.dispatchEvent(new CustomEvent("relais:scheduled", { detail: { html: answer.html } }));
  composer?.clear();
  form.closest("dialog").close();
}

function showProblem(form, text) {
  const problem = form.querySelector("[data-schedule-problem]");
  problem.textContent = text;
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-schedule-form]") || !event.target.closest(`${DIALOG}:modal`)) return;
  event.preventDefault();
  send(event.target);
});

// The dialog of templates takes the place of this one: a link of the page opens it.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.(`${DIALOG}:modal [data-schedule-template]`);
  const offered = link && [...document.querySelectorAll("a[data-dialog]")].find(({ href }) => href === link.href);
  if (!offered) return;
  event.preventDefault();
  link.closest("dialog").close();
  offered.click();
});

document.addEventListener("relais:dialog-opened", ({ target }) => target.matches(DIALOG) && prepare(target));
