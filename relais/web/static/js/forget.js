// Who signs out takes his unsent words with him; a session that merely ran out keeps them for his return.
const isOf = (user, key) => [`relais:draft:${user}:`, `relais:unsent:${user}:`].some((prefix) => key.startsWith(prefix));

document.addEventListener("submit", ({ target }) => {
  if (!target.matches("[data-forgets]")) return;
  try {
    for (const key of Object.keys(localStorage)) if (isOf(target.dataset.forgets, key)) localStorage.removeItem(key);
  } catch { /* nothing was kept */ }
});
