// What the server tells this user now: a sound and a desktop notification, each if he chose it. The server has decided
// about quiet hours and about what is being read. Of several open pages one tells.
import { followLink } from "./follow_link.js";
import { playSound } from "./notification_sound.js";

const TOLD_KEY = "relais:told";
const MAX_TOLD = 50;
const REPEAT_PAUSE_MS = 2_000; // a burst of messages sounds once
const STORED_AFTER_MS = 1_000; // until pages in other processes of the browser read what this one stored
let lastSoundAt = 0;

// Pages take turns by a lock of the browser; the first one that succeeds leaves nothing to do for the others.
async function tell(notification) {
  const task = async () => {
    if (readTold().includes(notification.id)) return;
    const sounded = !notification.sound || (await sound());
    if (notification.desktop) await showOnDesktop(notification);
    if (!sounded) return;
    storeTold([...readTold(), notification.id].slice(-MAX_TOLD));
    await new Promise((resolve) => setTimeout(resolve, STORED_AFTER_MS));
  };
  await (navigator.locks ? navigator.locks.request(`relais:notification:${notification.id}`, task) : task());
}

async function sound() {
  if (Date.now() - lastSoundAt < REPEAT_PAUSE_MS) return true;
  if (!(await playSound())) return false;
  lastSoundAt = Date.now();
  document.dispatchEvent(new CustomEvent("relais:sounded"));
  return true;
}

// By the service worker, which knows whether a page has the focus and opens the conversation on a click.
async function showOnDesktop(notification) {
  if (window.Notification?.permission !== "granted" || document.hasFocus()) return;
  const registration = await navigator.serviceWorker?.getRegistration();
  registration?.active?.postMessage({ command: "show", notification });
}

function readTold() {
  try { return [JSON.parse(localStorage.getItem(TOLD_KEY) ?? "[]")].flat(); } catch { return []; }
}

function storeTold(ids) {
  try { localStorage.setItem(TOLD_KEY, JSON.stringify(ids)); } catch { /* each page tells */ }
}

document.addEventListener("relais:notification", ({ detail }) => tell(detail));

// A click on a notification, while a page is open: the service worker focuses it and says where to go.
navigator.serviceWorker?.addEventListener("message", ({ data }) => {
  if (data?.command === "open" && new URL(data.url, location.href).origin === location.origin) followLink(data.url);
});
