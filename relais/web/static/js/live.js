// Live updates: of the conversation on the page, and on every page of rows and counts. Frames are dispatched as DOM
// events: relais:frame, relais:caught-up, relais:row, relais:counts, relais:refresh, relais:presence, relais:viewers; `detail` is the frame. Other
// modules listen to these events and import nothing from here; relais:report sends its `detail` over the conversation's socket.
import { insertFragment } from "./insert_fragment.js";
import { LiveConnection } from "./live_connection.js";
import { chatElement } from "./open_conversation.js";
import { hasEditedForm, showSessionExpired } from "./session_expiry.js";
import "./csrf.js";

const MIN_RELOAD_INTERVAL_MS = 10_000;
const ACTIVITY_INTERVAL_MS = 30_000;
const SIGNED_OUT_CODES = new Set([4401, 401]);
const stateIndicator = document.getElementById("live-state");
let connections = [];
let lastCounts = "";
let isSigningOut = false;

function dispatch(frame) {
  const name = ["message", "event", "delivery", "note"].includes(frame.kind) ? "frame" : frame.kind;
  document.dispatchEvent(new CustomEvent(`relais:${name}`, { detail: frame }));
}

// The worst state of all connections.
function showState() {
  const states = connections.map(({ state }) => state);
  const worst = ["lost", "polling"].find((state) => states.includes(state)) ?? (states.every((state) => state === "live") ? "live" : "");
  if (!stateIndicator || !worst || stateIndicator.dataset.state === worst) return;
  stateIndicator.dataset.state = worst;
  stateIndicator.textContent = stateIndicator.dataset[worst] ?? "";
}

// The server closes the sockets before it answers the sign-out: a reload would cancel that navigation.
document.addEventListener("submit", ({ target }) => {
  if (target.matches("[data-clear-drafts]")) isSigningOut = true;
});

// Reloaded, the page is the sign-in page or says that the user has no permission. Rate limited, to avoid a reload loop.
function onEnd(code) {
  if (isSigningOut) return;
  if (SIGNED_OUT_CODES.has(code) && hasEditedForm()) return showSessionExpired();
  const lastReloadAt = Number(sessionStorage.getItem("relais:left") ?? 0);
  if (Date.now() - lastReloadAt < MIN_RELOAD_INTERVAL_MS) return;
  sessionStorage.setItem("relais:left", Date.now());
  location.reload();
}

function connect(options) {
  const connection = new LiveConnection({ onStateChange: showState, onEnd, ...options });
  connections.push(connection);
  return connection;
}

function disconnect(connection) {
  connections = connections.filter((other) => other !== connection);
  connection?.close();
}

// -- the conversation ---------------------------------------------------------------------------------------

let conversationConnection = null;

function onConversationFrame(frame) {
  if (frame.kind === "presence") return dispatch(frame);
  if (frame.html) insertFragment(frame.html);
  // Frames arrive in order of `rev`, so the last one is the cursor to resume from.
  chatElement().dataset.rev = frame.rev;
  dispatch(frame);
}

document.addEventListener("relais:report", ({ detail }) => conversationConnection?.send(detail));
document.addEventListener("relais:conversation-left", () => {
  disconnect(conversationConnection);
  conversationConnection = null;
});
function connectConversation() {
  const { dataset } = chatElement();
  // A part of the timeline with later ones after it does not show new messages.
  if ("earlierPage" in dataset) return;
  conversationConnection = connect({
    path: () => `/live?conversation=${dataset.conversation}&since=${dataset.rev}`,
    onFrame: onConversationFrame,
    isNewFrame: ({ rev }) => rev > Number(dataset.rev),
  });
}

document.addEventListener("relais:conversation-opened", connectConversation);
document.addEventListener("relais:timeline-complete", connectConversation);

// -- rows and counts ----------------------------------------------------------------------------------------

function showCounts(frame) {
  lastCounts = JSON.stringify(frame);
  const counts = { ...frame, open: frame.active + frame.pending };
  for (const element of document.querySelectorAll("[data-count]")) {
    const count = counts[element.dataset.count];
    if (count === undefined) continue;
    element.textContent = count;
    element.toggleAttribute("data-zero", count === 0);
    element.closest(".tabs__unread")?.toggleAttribute("data-zero", count === 0);
  }
}

// The position is the cursor that the server read before the rows of this page: only later changes are sent.
if (stateIndicator) {
  connect({
    path: () => `/live?position=${document.body.dataset.position}`,
    onFrame(frame) {
      if (frame.kind === "counts") showCounts(frame);
      if (frame.kind === "position") document.body.dataset.position = frame.position;
      dispatch(frame);
    },
    isNewFrame: (frame) => frame.kind === "counts" && JSON.stringify(frame) !== lastCounts,
  });
}

// -- somebody is in front of this page ------------------------------------------------------------------------

let activeAt = Date.now();

function onActivity() {
  if (Date.now() - activeAt < ACTIVITY_INTERVAL_MS) return;
  activeAt = Date.now();
  connections.forEach((connection) => connection.sendActivity());
}

for (const type of ["pointerdown", "keydown", "wheel"]) addEventListener(type, onActivity, { capture: true, passive: true });
