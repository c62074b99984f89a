// Takes the open conversation over without a page load.
import { refreshHeader } from "./chat_header.js";
import { showNotice } from "./notices.js";
import { conversationId } from "./open_conversation.js";
import { errorText, post } from "./post.js";

document.addEventListener("submit", async (event) => {
  if (!event.target.matches("[data-take-over]")) return;
  event.preventDefault();
  const conversation = conversationId();
  const { submitter, target } = event;
  if (submitter) submitter.disabled = true;
  const response = await post(target.action);
  if (submitter) submitter.disabled = false;
  if (!response.success) showNotice(errorText(response), "error");
  if (conversation === conversationId()) refreshHeader();
});
