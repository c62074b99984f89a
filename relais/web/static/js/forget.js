// Who signs out takes his unsent words with him; a session that merely ran out keeps them for his return.
document.addEventListener("submit", ({ target }) => {
  if (!target.matches("[data-forgets]")) return;
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith("relais:draft:")) localStorage.removeItem(key);
  } catch { /* nothing was kept */ }
});
