// Keeps the page live: the conversation it shows, and everywhere rows and counts. What comes is told as DOM events:
// relais:frame, relais:caught-up, relais:row, relais:counts, relais:refresh; `detail` is the frame. Import nothing from here.
import { Channel } from "./channel.js";
import { place } from "./place.js";
import { isBeingFilledIn, sayItEnded } from "./session.js";
import "./csrf.js";

const AGAIN = 10_000;
const SIGNED_OUT = new Set([4401, 401]);
const chat = document.getElementById("chat");
const sign = document.getElementById("live-state");
const channels = [];
let counts = "";
let isSigningOut = false;

function announce(frame) {
  const name = ["message", "event", "delivery"].includes(frame.kind) ? "frame" : frame.kind;
  document.dispatchEvent(new CustomEvent(`relais:${name}`, { detail: frame }));
}

function showState() {
  const states = channels.map(({ state }) => state);
  const state = ["lost", "polling"].find((worse) => states.includes(worse)) ?? (states.every((each) => each === "live") ? "live" : "");
  if (!sign || !state || sign.dataset.state === state) return;
  sign.dataset.state = state;
  sign.textContent = sign.dataset[state] ?? "";
}

// The server closes the sockets before it answers the sign-out: a reload would cancel that navigation.
document.addEventListener("submit", ({ target }) => {
  if (target.matches("[data-forgets]")) isSigningOut = true;
});

// The page, asked for again, is the sign-in page or says that this is out of reach. Never in a circle.
function left(code) {
  if (isSigningOut) return;
  if (SIGNED_OUT.has(code) && isBeingFilledIn()) return sayItEnded();
  const last = Number(sessionStorage.getItem("relais:left") ?? 0);
  if (Date.now() - last < AGAIN) return;
  sessionStorage.setItem("relais:left", Date.now());
  location.reload();
}

function open(about) {
  channels.push(new Channel({ changed: showState, left, ...about }));
}

// -- the conversation ---------------------------------------------------------------------------------------

function heardThread(frame) {
  if (frame.html) place(frame.html);
  // Frames come in order of rev: what was heard is what need not be asked for again.
  chat.dataset.rev = frame.rev;
  announce(frame);
}

// A page that shows an earlier stretch has no place for what is new.
if (chat?.dataset.conversation && !chat.hasAttribute("data-past")) {
  open({
    path: () => `/live?conversation=${chat.dataset.conversation}&since=${chat.dataset.rev}`,
    heard: heardThread,
    isNews: ({ rev }) => rev > Number(chat.dataset.rev),
  });
}

// -- rows and counts ----------------------------------------------------------------------------------------

function showCounts(numbers) {
  counts = JSON.stringify(numbers);
  for (const element of document.querySelectorAll("[data-count]")) {
    const number = numbers[element.dataset.count];
    if (number === undefined) continue;
    element.textContent = number;
    element.toggleAttribute("data-zero", number === 0);
  }
}

// The position is what the server noted before it read the rows of this page: only what changed since is told.
if (sign) {
  open({
    path: () => `/live?position=${document.body.dataset.position}`,
    heard(frame) {
      if (frame.kind === "counts") showCounts(frame);
      if (frame.kind === "position") document.body.dataset.position = frame.position;
      announce(frame);
    },
    isNews: (frame) => frame.kind === "counts" && JSON.stringify(frame) !== counts,
  });
}
