// The dialog of one's own state: a choice is sent without leaving the page. The server tells all open pages.
import { showNotice } from "./notices.js";
import { errorText, post } from "./post.js";

document.addEventListener("submit", async (event) => {
  const dialog = event.target.closest("[data-agent-states]") && event.target.closest("dialog");
  if (!dialog?.matches(":modal")) return;
  event.preventDefault();
  const answer = await post(event.target.action, Object.fromEntries(new FormData(event.target, event.submitter)));
  if (!answer.success) return showNotice(errorText(answer), "error");
  document.dispatchEvent(new CustomEvent("relais:agent-state", { detail: answer }));
  dialog.close();
});
