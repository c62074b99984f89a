// The push subscription of this browser, and the user whom it belongs to. Only he gets it again after signing in anew.
import { csrfToken } from "./csrf.js";

const OWNER_KEY = "relais:push-user";
const REPORTED_KEY = "relais:push-reported";
const SUBSCRIBE_TIMEOUT_MS = 15_000; // where the push service is blocked, `subscribe` never resolves
const PUSH_URL = "/dashboard/push";
const user = document.body.dataset.user;

async function request(method, body) {
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json", "Content-Type": "application/json" };
  const response = await fetch(PUSH_URL, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(response.status);
  return response.json();
}

async function pushManager() {
  const registration = await navigator.serviceWorker?.getRegistration();
  return registration?.pushManager;
}

const stored = (storage, key) => { try { return storage.getItem(key); } catch { return null; } };
const store = (storage, key, value) => { try { storage.setItem(key, value); } catch { /* asked for again */ } };
const isOwn = () => stored(localStorage, OWNER_KEY) === user;

export async function currentSubscription() {
  return isOwn() ? ((await (await pushManager())?.getSubscription()) ?? null) : null;
}

export async function subscribe() {
  const { application_server_key: applicationServerKey } = await request("GET");
  const manager = await pushManager();
  const timeout = new Promise((_, reject) => setTimeout(() => reject(new Error("timeout")), SUBSCRIBE_TIMEOUT_MS));
  const subscription = await Promise.race([manager.subscribe({ userVisibleOnly: true, applicationServerKey }), timeout]);
  await request("POST", subscription.toJSON());
  store(localStorage, OWNER_KEY, user);
  return subscription;
}

export async function unsubscribe() {
  const subscription = await currentSubscription();
  if (!subscription) return;
  await request("DELETE", { endpoint: subscription.endpoint });
  await subscription.unsubscribe();
}

// Once a session: the server pushes to sessions that still exist, and browsers replace subscriptions.
export async function reportSubscription() {
  if (!isOwn() || stored(sessionStorage, REPORTED_KEY) === user) return;
  const subscription = await currentSubscription();
  if (!subscription) return;
  await request("POST", subscription.toJSON());
  store(sessionStorage, REPORTED_KEY, user);
}
