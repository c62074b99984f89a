// The service worker. `VERSION`, `OFFLINE_PAGE`, `SHELL`, `ICON` and `BADGE` are set above by `pwa.py`. It stores the
// offline page and what that page loads, and nothing else: pages with clients' words never enter its cache.
const PREFIX = "relais-shell-";
const CACHE = PREFIX + VERSION;

async function fillCache() {
  const cache = await caches.open(CACHE);
  const stored = new Set((await cache.keys()).map(({ url }) => new URL(url).pathname));
  const missing = SHELL.filter((path) => !stored.has(path));
  if (missing.length) await cache.addAll(missing.map((path) => new Request(path, { cache: "no-cache" })));
}

async function deleteCaches(keep = "") {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== keep).map((name) => caches.delete(name)));
}

addEventListener("install", (event) => event.waitUntil(fillCache().then(() => skipWaiting())));
addEventListener("activate", (event) => event.waitUntil(activate()));

async function activate() {
  await deleteCaches(CACHE);
  // The browser requests a page while this worker is still starting.
  await registration.navigationPreload?.enable();
  await clients.claim();
}

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(page(event));
  else if (isInShell(request.url)) event.respondWith(fetch(request).catch(async () => (await stored(request)) ?? Response.error()));
});

const isInShell = (url) => new URL(url).origin === location.origin && SHELL.includes(new URL(url).pathname);
const stored = (request) => caches.match(request, { cacheName: CACHE });

async function page({ request, preloadResponse }) {
  try {
    return (await preloadResponse) ?? (await fetch(request));
  } catch (error) {
    const offline = await stored(OFFLINE_PAGE);
    if (offline) return offline;
    throw error;
  }
}

// Signing out: nothing of this user stays in the browser, neither his notifications nor the permission to push to him.
async function forgetUser() {
  await deleteCaches();
  for (const notification of await registration.getNotifications()) notification.close();
  const subscription = await registration.pushManager?.getSubscription();
  await subscription?.unsubscribe();
}

// -- notifications ---------------------------------------------------------------------------------------------------

// A newer notification of a conversation replaces the older one.
function show({ title, body, url, conversation }) {
  const tag = conversation ? `conversation-${conversation}` : "relais";
  return registration.showNotification(title, { body, tag, renotify: true, icon: ICON, badge: BADGE, dir: "auto", data: { url } });
}

const pagesOfUser = async () => {
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  return pages.filter(({ url }) => new URL(url).pathname.startsWith("/dashboard"));
};

async function showUnlessFocused(notification) {
  if (!(await pagesOfUser()).some(({ focused }) => focused)) await show(notification);
}

// Every push must show a notification, or the browser withdraws the permission.
addEventListener("push", (event) => event.data && event.waitUntil(show(event.data.json())));

addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openPage(new URL(event.notification.data?.url ?? "/dashboard", location.origin)));
});

async function openPage(url) {
  const isThere = (page) => new URL(page.url).pathname === url.pathname;
  const pages = await pagesOfUser();
  const page = pages.find(isThere) ?? pages.find(({ focused }) => focused) ?? pages[0];
  if (!page) return clients.openWindow(url);
  await page.focus();
  if (!isThere(page) || url.hash) page.postMessage({ command: "open", url: url.href });
}

const COMMANDS = { "fill-cache": fillCache, "forget-user": forgetUser, show: (data) => showUnlessFocused(data.notification) };
addEventListener("message", (event) => {
  const command = COMMANDS[event.data?.command];
  if (command) event.waitUntil(command(event.data));
});
