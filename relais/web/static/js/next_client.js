// « Suivant » opens the client who has waited longest, or says why nobody was given.
import { followLink } from "./follow_link.js";
import { showNotice } from "./notices.js";
import { errorText, post } from "./post.js";

let isAsking = false; // Pressed twice, it would give two clients.

document.addEventListener("submit", async (event) => {
  if (!event.target.matches("[data-next]")) return;
  event.preventDefault();
  if (isAsking) return;
  isAsking = true;
  const answer = await post(event.target.action).finally(() => (isAsking = false));
  if (!answer.success) return showNotice(errorText(answer), "error");
  if (answer.conversation) followLink(`/dashboard/chat/${answer.conversation}`);
  else showNotice(answer.message);
});
