// Entry of the dialog of choices, loaded when it is first opened: rows as many as the kind allows, a live preview, and
// sending without leaving the page. What is typed in the composer becomes the question.
import { choicesOf, fillRows, updateRows } from "./choice_rows.js";
import { insertFragment } from "./insert_fragment.js";
import { errorText, post } from "./post.js";

const DIALOG = "dialog[data-choices-dialog]";
const form = () => document.querySelector(`${DIALOG} form`);
const rowFields = () => form().querySelector("[data-choice-fields]");
const composerText = () => document.getElementById("message");

function prepare() {
  fillSaved();
  form().elements.message.value ||= composerText()?.value ?? "";
  update();
}

// Those of a quick reply (saved_choices.js).
function fillSaved() {
  const link = document.querySelector("a[data-filled]");
  if (!link) return;
  const { text, choices } = JSON.parse(link.dataset.filled);
  delete link.dataset.filled;
  form().elements.message.value = text;
  fillRows(rowFields(), choices);
}

function update() {
  updateRows(rowFields());
  showPreview(form());
}

function showPreview(current) {
  const preview = current.querySelector("[data-choices-preview]");
  const text = current.elements.message.value.trim();
  const items = choicesOf(rowFields());
  preview.hidden = !text && !items.length;
  preview.querySelector("[data-preview-text]").textContent = text;
  preview.querySelector("[data-preview-choices]").replaceChildren(...items.map(previewItem));
}

function previewItem({ title, description }) {
  const item = document.createElement("li");
  item.className = "choices__choice";
  item.dir = "auto";
  item.append(Object.assign(document.createElement("span"), { textContent: title }));
  if (description) item.append(Object.assign(document.createElement("small"), { textContent: description }));
  return item;
}

async function send(current) {
  const button = current.querySelector("[data-choices-send]");
  if (button.disabled) return;
  button.disabled = true;
  const { message, kind, ref } = current.elements;
  const answer = await post(current.action, {
    message: message.value,
    kind: kind.value,
    ref: ref.value,
    button: current.elements.button.value,
    choices: JSON.stringify(choicesOf(rowFields())),
    undo: "1",
  });
  button.disabled = false;
  if (!answer.success) return showProblem(current, errorText(answer));
  if (answer.html) insertFragment(answer.html);
  clearComposer(message.value);
  current.closest("dialog").close();
}

function showProblem(current, text) {
  const problem = current.querySelector("[data-choices-problem]");
  problem.querySelector("span").textContent = text;
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
}

// The draft became the question.
function clearComposer(question) {
  const field = composerText();
  if (!field?.value.trim() || field.value.trim() !== question.trim()) return;
  field.value = "";
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("input", ({ target }) => target.closest?.(DIALOG) && update());
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-choices-form]") || event.submitter?.name === "draft") return;
  event.preventDefault();
  send(event.target);
});
document.addEventListener("relais:dialog-opened", ({ target }) => target.matches(DIALOG) && prepare());
if (form()) prepare();
