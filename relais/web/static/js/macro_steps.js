// The steps in the form of a macro: added, moved and removed without a request. Alt and an arrow move the step that has
// the focus. The order of the groups is that of the steps; without scripts the same buttons submit the form.
const list = () => document.querySelector("[data-steps]");
const stepOf = (target) => target.closest?.("[data-step]");
const status = () => document.querySelector("[data-step-status]");

function changed() {
  [...list().children].forEach((step, index) => (step.querySelector("[data-step-number]").textContent = index + 1));
  list().dispatchEvent(new Event("change", { bubbles: true })); // the preview follows
}

function add(kind) {
  const keys = [...list().querySelectorAll("[name=step]")].map(({ value }) => Number(value));
  const key = Math.max(0, ...keys) + 1;
  const { innerHTML } = document.querySelector(`[data-step-template="${kind}"]`);
  list().append(new DOMParser().parseFromString(innerHTML.replaceAll("__key__", key), "text/html").querySelector("[data-step]"));
  changed();
  list().lastElementChild.querySelector("textarea, input:not([type=hidden]), select").focus();
}

function move(step, direction) {
  const other = direction < 0 ? step.previousElementSibling : step.nextElementSibling;
  if (!other) return;
  const focused = document.activeElement;
  if (direction < 0) other.before(step);
  else other.after(step);
  if (step.contains(focused)) focused.focus();
  changed();
  const index = [...list().children].indexOf(step);
  status().textContent = status().dataset.moved.replace("{number}", index + 1).replace("{count}", list().children.length);
  step.scrollIntoView({ block: "nearest" });
}

function remove(step) {
  const next = step.nextElementSibling ?? step.previousElementSibling;
  step.remove();
  changed();
  status().textContent = status().dataset.removed;
  (next?.querySelector("[data-step-remove]") ?? document.querySelector("[data-step-add]")).focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-step-add], [data-step-move], [data-step-remove]");
  if (!button) return;
  event.preventDefault();
  if (button.dataset.stepAdd) add(button.dataset.stepAdd);
  else if (button.dataset.stepMove) move(stepOf(button), Number(button.dataset.stepMove));
  else remove(stepOf(button));
});

document.addEventListener("keydown", (event) => {
  const step = event.altKey && !event.ctrlKey && !event.metaKey && stepOf(event.target);
  const direction = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || !direction) return;
  event.preventDefault();
  move(step, direction);
});
