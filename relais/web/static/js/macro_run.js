// Running a macro from its preview. Where the conversation stays with its agent, the page stays, too, and the thread shows
// what was done as it arrives; else the form leads to the list. Ctrl/⌘ Enter runs it from a text.
import { errorText, post } from "./post.js";

const formOf = (target) => target.closest?.("form[data-macro-run]");

function showProblem(form, sentence) {
  const problem = form.querySelector("[data-macro-problem]");
  problem.hidden = !sentence;
  problem.querySelector("span").textContent = sentence;
  if (sentence) problem.scrollIntoView({ block: "nearest" });
}

async function run(form) {
  const button = form.querySelector("[data-run]");
  if (button.disabled) return;
  button.disabled = true;
  showProblem(form, "");
  const response = await post(form.action, new FormData(form));
  if (response.success) return finish(form);
  // Steps that were done are not done again: there is nothing to repeat.
  button.disabled = Boolean(response.done?.length);
  showProblem(form, errorText(response));
  if (button.disabled) form.querySelector("[data-closes]").focus();
}

function finish(form) {
  const announcement = document.querySelector("[data-announce]");
  if (announcement) announcement.textContent = form.dataset.done;
  form.closest("dialog").close();
}

document.addEventListener("submit", (event) => {
  const form = formOf(event.target);
  if (!form || !("stays" in form.dataset) || !form.closest("dialog:modal")) return;
  event.preventDefault();
  run(form);
});
document.addEventListener("keydown", (event) => {
  const form = event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea") && formOf(event.target);
  if (!form) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector("[data-run]"));
});
