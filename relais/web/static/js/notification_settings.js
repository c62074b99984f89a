// The part of the notification settings that is about this browser: trying the sound, the permission, pushes.
import { playSound } from "./notification_sound.js";
import { currentSubscription, subscribe, unsubscribe } from "./push_subscription.js";

const $ = (selector) => document.querySelector(selector);
const permissionRow = $("[data-desktop-permission]");
const pushRow = $("[data-push-url]");
const canNotify = "Notification" in window && "serviceWorker" in navigator;
const canPush = canNotify && "PushManager" in window;

function showPermission() {
  const state = canNotify ? Notification.permission : "unsupported";
  $("[data-permission-state]").textContent = permissionRow.dataset[state];
  $("[data-ask-permission]").hidden = state !== "default";
  permissionRow.hidden = false;
}

function showPush(state) {
  $("[data-push-state]").textContent = pushRow.dataset[state];
  $("[data-push-on]").hidden = state === "on" || state === "working";
  $("[data-push-off]").hidden = state !== "on";
  pushRow.hidden = false;
}

async function switchPush(action) {
  showPush("working");
  try {
    await action();
    location.reload(); // the list of devices
  } catch {
    showPush("failed");
  }
}

$("[data-sound-trial]").hidden = false;
$("[data-play-sound]").addEventListener("click", () => playSound());
$("[data-ask-permission]").addEventListener("click", async () => {
  await Notification.requestPermission();
  showPermission();
});
showPermission();

if (canPush) {
  currentSubscription().then((subscription) => showPush(subscription ? "on" : "off"));
  $("[data-push-on]").addEventListener("click", async () => {
    await Notification.requestPermission();
    showPermission();
    if (Notification.permission === "granted") switchPush(subscribe);
  });
  $("[data-push-off]").addEventListener("click", () => switchPush(unsubscribe));
}
