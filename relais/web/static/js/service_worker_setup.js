// Installs the service worker, which shows the offline page and notifications. Browsers have one on https and localhost only.

const container = navigator.serviceWorker;

async function install() {
  const registration = await container.register("/sw.js", { updateViaCache: "none" });
  // After a sign-out its cache is empty, although it is installed.
  registration.active?.postMessage({ command: "fill-cache" });
  if (hasUnreportedSubscription()) loadPushReport();
}

// Few browsers are subscribed: the others load nothing for it.
function hasUnreportedSubscription() {
  const { user } = document.body.dataset;
  try { return localStorage.getItem("relais:push-user") === user && sessionStorage.getItem("relais:push-reported") !== user; } catch { return false; }
}

function loadPushReport() {
  document.head.append(Object.assign(document.createElement("script"), { type: "module", src: document.body.dataset.pushReport }));
}

if (container) addEventListener("load", () => install().catch(() => {})); // for example a private window: works without

document.addEventListener("submit", ({ target }) => {
  if (!target.matches("[data-clear-drafts]")) return;
  container?.controller?.postMessage({ command: "forget-user" });
  try { sessionStorage.removeItem("relais:push-reported"); } catch { /* no storage */ }
});
