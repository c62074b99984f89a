// Why a message is not sent, under the text field.
const form = () => document.querySelector("[data-composer]");

export function showProblem(sentence, { isTextWrong = false } = {}) {
  const problem = form().querySelector("[data-problem]");
  problem.hidden = !sentence;
  problem.textContent = sentence;
  if (isTextWrong) form().elements.message.setAttribute("aria-invalid", "true");
  else form().elements.message.removeAttribute("aria-invalid");
}
