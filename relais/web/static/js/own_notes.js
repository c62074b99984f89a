// Notes in the history: those that the reader may still change get buttons; a mention of the reader is marked read.
import { chatElement } from "./open_conversation.js";
import { post } from "./post.js";

const REFRESH_INTERVAL_MS = 15_000;
const { user } = document.body.dataset;

function markOwnNotes() {
  for (const note of document.querySelectorAll(`.note[data-author="agent:${user}"]`))
    note.toggleAttribute("data-own", Date.parse(note.dataset.editableUntil) > Date.now());
}

// -- mentions of the reader ---------------------------------------------------------------------------------------

let hasUnreadMention = false;

function markMentionRead() {
  if (!hasUnreadMention || document.hidden) return;
  hasUnreadMention = false;
  post(chatElement().dataset.readUrl);
}

document.addEventListener("visibilitychange", markMentionRead);
document.addEventListener("relais:frame", ({ detail }) => {
  if (detail.kind !== "note") return;
  markOwnNotes();
  const note = document.getElementById(`note-${detail.id}`);
  if (!note?.dataset.mentions?.split(" ").includes(user)) return;
  hasUnreadMention = true;
  markMentionRead();
});

document.addEventListener("relais:conversation-opened", () => {
  hasUnreadMention = document.querySelector(`.note[data-mentions~="${user}"]`) !== null;
  markOwnNotes();
  markMentionRead();
});
document.addEventListener("relais:note-saved", markOwnNotes);
document.addEventListener("htmx:afterSwap", markOwnNotes);
setInterval(() => document.hidden || markOwnNotes(), REFRESH_INTERVAL_MS);
