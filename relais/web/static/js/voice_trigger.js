// The button of voice notes: held down it records until it is let go; pressed once, by key or pointer, until it is pressed
// again. voice_recorder.js, loaded by the first press, does the rest: it hears of relais:voice with what the user did.
import { loadModule } from "./load_module.js";

const HOLD_MS = 400;
const button = () => document.querySelector("[data-composer] [data-voice]");
let pressedAt = 0;
let queue = Promise.resolve(); // a release never overtakes its press

function tell(action) {
  const { voice } = button()?.dataset ?? {};
  if (!voice) return;
  queue = queue
    .then(() => loadModule(voice))
    .catch(() => null)
    .then(() => document.dispatchEvent(new CustomEvent("relais:voice", { detail: { action } })));
}

document.addEventListener("pointerdown", (event) => {
  if (event.button || !event.target.closest?.("[data-voice]")) return;
  pressedAt = event.timeStamp;
  tell("press");
});
for (const type of ["pointerup", "pointercancel"])
  document.addEventListener(type, ({ timeStamp }) => {
    if (!pressedAt) return;
    tell(timeStamp - pressedAt > HOLD_MS ? "release" : "tap");
    pressedAt = 0;
  });
document.addEventListener("contextmenu", (event) => pressedAt && event.preventDefault()); // a long press on a phone

document.addEventListener("click", ({ target, detail }) => {
  if (!detail && target.closest?.("[data-voice]")) tell("toggle"); // a key, or the command bar
});
document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.code !== "KeyV" || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
  if (!button() || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  tell("toggle");
});
