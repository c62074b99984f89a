// The colleagues in reach of the conversation on the page, fetched when they are first needed.
import { conversationId } from "./open_conversation.js";

const cache = new Map(); // by conversation: a promise of [{ id, name, role }]

export function colleagues() {
  const conversation = conversationId();
  if (!cache.has(conversation)) cache.set(conversation, fetchColleagues(conversation));
  return cache.get(conversation);
}

async function fetchColleagues(conversation) {
  try {
    const url = document.querySelector("[data-colleagues-url]").dataset.colleaguesUrl;
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    return (await response.json()).results;
  } catch {
    cache.delete(conversation);
    return [];
  }
}

export const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
