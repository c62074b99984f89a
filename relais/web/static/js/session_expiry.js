// When the session expires while a form is being filled in, the page stays and says so; once the user has signed in
// again in another tab, the form can be submitted. The composer needs none of this: draft_storage.js stores its text.
import { showNotice } from "./notices.js";

const editedForms = new Set();
const texts = document.getElementById("notices").dataset;
let isExpired = false;

document.addEventListener("input", ({ target }) => {
  if (target.form?.method === "post" && !target.form.matches("[data-composer]")) editedForms.add(target.form);
});

export const hasEditedForm = () => [...editedForms].some((form) => form.isConnected);

export function showSessionExpired() {
  isExpired = true;
  showNotice(texts.signIn, "error", { href: texts.signInUrl, text: texts.signInLink });
}

document.addEventListener("submit", async (event) => {
  const { target, submitter } = event;
  if (!isExpired || target.method !== "post") return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const response = await fetch("/live", { headers: { Accept: "application/json" } }).catch(() => null);
  if (!response || response.status === 401) return showSessionExpired();
  isExpired = false;
  target.requestSubmit(submitter);
}, { capture: true });
