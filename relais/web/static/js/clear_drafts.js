// Signing out clears the user's drafts and unsent messages, with their files, from this browser; an expired session keeps them.
const KINDS = ["draft", "synced-draft", "unsent", "note"];
const belongsTo = (user, key) => KINDS.some((kind) => key.startsWith(`relais:${kind}:${user}:`));

document.addEventListener("submit", ({ target }) => {
  if (!target.matches("[data-clear-drafts]")) return;
  const user = target.dataset.clearDrafts;
  try {
    for (const key of Object.keys(localStorage)) if (belongsTo(user, key)) localStorage.removeItem(key);
    indexedDB.deleteDatabase("relais-files");
  } catch { /* no storage: nothing was stored */ }
});
