// Says on every page how many messages wait for the connection, and when one of a conversation elsewhere was refused.
import { showNotice } from "./notices.js";
import { conversationId } from "./open_conversation.js";
import { waitingCount } from "./outbox.js";

const container = document.getElementById("notices");
let notice;

function showWaiting() {
  const count = waitingCount();
  if (!count) {
    notice?.remove();
    notice = null;
    return;
  }
  notice ??= Object.assign(document.createElement("div"), { className: "notice notice--attention" });
  notice.dataset.outbox = count;
  const sentence = count === 1 ? container.dataset.outboxOne : container.dataset.outboxMany.replace("{count}", count);
  if (notice.textContent !== sentence) notice.textContent = sentence;
  if (!notice.isConnected) container.append(notice);
}

document.addEventListener("relais:outbox", ({ detail: { state, conversation, message } }) => {
  if (state !== "sending") showWaiting();
  if (state !== "refused" || conversation === conversationId()) return;
  const link = { href: `/dashboard/chat/${conversation}`, text: container.dataset.outboxOpen };
  showNotice(`${container.dataset.outboxRefused} ${message.trouble}`, "error", link);
});
showWaiting();
