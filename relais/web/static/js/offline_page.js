// The offline page comes back by itself: on the browser's event, and by asking the server.
const CHECK_INTERVAL_MS = 5_000;

async function reloadIfReachable() {
  const response = await fetch("/api/live", { cache: "no-store" }).catch(() => null);
  if (response?.ok) location.reload();
}

addEventListener("online", reloadIfReachable);
setInterval(reloadIfReachable, CHECK_INTERVAL_MS);
