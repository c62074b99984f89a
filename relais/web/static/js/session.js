// The session ended while a form was being filled in: the page stays, says so, and once its user has signed in in
// another tab the form can be sent. The composer needs none of this: what it holds is kept, see unsent.js.
import { tell } from "./notices.js";

const filled = new Set();
const words = document.getElementById("notices").dataset;
let isOver = false;

document.addEventListener("input", ({ target }) => {
  if (target.form?.method === "post" && !target.form.matches("[data-composer]")) filled.add(target.form);
});

export const isBeingFilledIn = () => [...filled].some((form) => form.isConnected);

export function sayItEnded() {
  isOver = true;
  tell(words.signIn, "error", { href: words.signInUrl, text: words.signInLink });
}

document.addEventListener("submit", async (event) => {
  const { target, submitter } = event;
  if (!isOver || target.method !== "post") return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const answer = await fetch("/live", { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer || answer.status === 401) return sayItEnded();
  isOver = false;
  target.requestSubmit(submitter);
}, { capture: true });
