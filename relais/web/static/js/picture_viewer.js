// The viewer of pictures: arrows and swipes open the neighbours; + and −, a pinch and a double click zoom; a zoomed picture is
// dragged. Escape, the focus trap and the focus afterwards are the dialog's own.
const MAX_ZOOM = 8;
const ZOOM_STEP = 1.5;
const MIN_SWIPE_PX = 60;
const NUDGE_PX = 60;

const viewer = () => document.querySelector("#picture-viewer[open]");
const stage = () => viewer().querySelector("[data-stage]");
const picture = () => stage().querySelector("img");
const isMirrored = () => document.documentElement.dir === "rtl";

const view = { zoom: 1, x: 0, y: 0 };
const pointers = new Map(); // of the fingers, or the mouse, on the stage: where each is now
let gesture = null;
let loading = 0;

function reset() {
  Object.assign(view, { zoom: 1, x: 0, y: 0 });
  pointers.clear();
}

function show() {
  const image = picture();
  const limit = (size, room) => Math.max(0, (size * view.zoom - room) / 2);
  const [maxX, maxY] = [limit(image.clientWidth, stage().clientWidth), limit(image.clientHeight, stage().clientHeight)];
  view.x = Math.min(maxX, Math.max(-maxX, view.x));
  view.y = Math.min(maxY, Math.max(-maxY, view.y));
  image.style.transform = view.zoom === 1 ? "" : `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
  stage().toggleAttribute("data-zoomed", view.zoom > 1);
  for (const button of viewer().querySelectorAll("[data-zoom]")) {
    // Not disabled: the focus would be lost.
    button.ariaDisabled = String(Number(button.dataset.zoom) > 0 ? view.zoom >= MAX_ZOOM : view.zoom <= 1);
  }
}

// The point under the cursor, or between the fingers, stays where it is.
function zoomTo(zoom, at = null) {
  const next = Math.min(MAX_ZOOM, Math.max(1, zoom));
  if (at) {
    const box = stage().getBoundingClientRect();
    const [dx, dy] = [at.x - box.x - box.width / 2, at.y - box.y - box.height / 2];
    view.x = dx - ((dx - view.x) * next) / view.zoom;
    view.y = dy - ((dy - view.y) * next) / view.zoom;
  }
  view.zoom = next;
  show();
}

async function openNeighbour(rel) {
  const link = viewer()?.querySelector(`[rel=${rel}]`);
  if (!link) return;
  const number = ++loading;
  const fresh = await fetchViewer(link.href);
  if (number !== loading || !viewer()) return;
  if (!fresh) return location.assign(link.href); // signed out, or no connection: the page says so
  const focused = viewer().contains(document.activeElement) ? selectorOf(document.activeElement) : "";
  viewer().replaceChildren(...fresh.childNodes);
  reset();
  show();
  ((focused && viewer().querySelector(focused)) || viewer().querySelector("button[data-closes]")).focus();
}

async function fetchViewer(url) {
  try {
    const response = await fetch(url, { headers: { "X-Requested-With": "fetch" } });
    if (!response.ok || response.redirected) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html").querySelector("dialog");
  } catch { return null; }
}

function selectorOf(element) {
  if (element.rel === "prev" || element.rel === "next") return `[rel=${element.rel}]`;
  if (element.dataset.zoom) return `[data-zoom="${element.dataset.zoom}"]`;
  return element.matches("[download]") ? "[download]" : "";
}

document.addEventListener("click", (event) => {
  const element = viewer()?.contains(event.target) && event.target.closest("[rel=prev], [rel=next], [data-zoom]");
  if (!element || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (element.rel) openNeighbour(element.rel);
  else zoomTo(view.zoom * ZOOM_STEP ** Number(element.dataset.zoom));
});

const byArrow = (isRight) => (isRight !== isMirrored() ? "next" : "prev");

document.addEventListener("keydown", (event) => {
  if (!viewer() || event.ctrlKey || event.metaKey || event.altKey) return;
  const nudge = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (event.key === "+" || event.key === "=") zoomTo(view.zoom * ZOOM_STEP);
  else if (event.key === "-") zoomTo(view.zoom / ZOOM_STEP);
  else if (event.key === "0") zoomTo(1);
  else if (nudge && view.zoom > 1 && event.shiftKey) {
    view.x += nudge[0] * NUDGE_PX;
    view.y += nudge[1] * NUDGE_PX;
    show();
  } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") openNeighbour(byArrow(event.key === "ArrowRight"));
  else return;
  event.preventDefault();
});

// -- mouse, pen and fingers --------------------------------------------------------------------------------------------

const onStage = (event) => viewer() && event.target.closest?.("[data-stage]");

function distance() {
  const [one, other] = [...pointers.values()];
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function middle() {
  const all = [...pointers.values()];
  return { x: all.reduce((sum, { x }) => sum + x, 0) / all.length, y: all.reduce((sum, { y }) => sum + y, 0) / all.length };
}

function beginGesture(isPinch) {
  gesture = { start: middle(), x: view.x, y: view.y, zoom: view.zoom, distance: pointers.size > 1 ? distance() : 0, isPinch };
}

document.addEventListener("pointerdown", (event) => {
  if (!onStage(event) || event.button > 0 || pointers.size > 1) return;
  event.target.setPointerCapture?.(event.pointerId);
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  beginGesture(pointers.size > 1);
});

document.addEventListener("pointermove", (event) => {
  if (!viewer() || !pointers.has(event.pointerId)) return;
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  if (pointers.size > 1) {
    zoomTo((gesture.zoom * distance()) / gesture.distance, middle());
  } else if (view.zoom > 1) {
    view.x = gesture.x + event.clientX - gesture.start.x;
    view.y = gesture.y + event.clientY - gesture.start.y;
    show();
  }
});

function endPointer(event) {
  if (!pointers.delete(event.pointerId) || !viewer()) return;
  if (pointers.size) return beginGesture(true); // the finger that stays drags on, and does not swipe
  const [dx, dy] = [event.clientX - gesture.start.x, event.clientY - gesture.start.y];
  const isSwipe = event.type === "pointerup" && view.zoom === 1 && !gesture.isPinch && Math.abs(dx) > Math.max(MIN_SWIPE_PX, Math.abs(dy));
  if (isSwipe) openNeighbour(byArrow(dx < 0));
}

document.addEventListener("pointerup", endPointer);
document.addEventListener("pointercancel", endPointer);
document.addEventListener("dblclick", (event) => {
  if (onStage(event)) zoomTo(view.zoom > 1 ? 1 : 3, { x: event.clientX, y: event.clientY });
});
document.addEventListener("wheel", (event) => {
  if (!onStage(event)) return;
  event.preventDefault();
  zoomTo(view.zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2), { x: event.clientX, y: event.clientY });
}, { passive: false });

addEventListener("resize", () => viewer() && show());
document.addEventListener("close", ({ target }) => {
  if (target.id !== "picture-viewer") return;
  reset();
  loading += 1;
  // The message may have been replaced meanwhile, and the focus with it.
  if (document.activeElement === document.body) document.querySelector(`a[data-dialog][href="${target.dataset.opened}"]`)?.focus();
}, { capture: true });

if (viewer()) show(); // the dialog that loaded this module
document.addEventListener("toggle", ({ target }) => target.id === "picture-viewer" && viewer() && show(), { capture: true });
