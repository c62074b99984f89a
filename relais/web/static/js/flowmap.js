// The flow diagram: highlights the state whose details are shown and scrolls it into view within the diagram only.
const main = document.getElementById("main");
const wideScreen = matchMedia("(width >= 1100px)");
let scrollTopToRestore = null;

function centre(box) {
  const viewport = box.closest(".flowmap__paper");
  const [inner, outer] = [box.getBoundingClientRect(), viewport.getBoundingClientRect()];
  const isVisible = inner.top >= outer.top && inner.bottom <= outer.bottom && inner.left >= outer.left && inner.right <= outer.right;
  if (isVisible) return;
  viewport.scrollBy({
    left: inner.left + inner.width / 2 - outer.left - outer.width / 2,
    top: inner.top + inner.height / 2 - outer.top - outer.height / 2,
  });
}

function showSelectedState() {
  const match = /^#s(\d+)$/.exec(location.hash);
  const box = match && document.getElementById(`b${match[1]}`);
  for (const previous of document.querySelectorAll(".box[aria-current]")) previous.removeAttribute("aria-current");
  if (!box) return;
  box.setAttribute("aria-current", "true");
  centre(box);
  if (scrollTopToRestore !== null) main.scrollTop = scrollTopToRestore;
  scrollTopToRestore = null;
}

// Of an execution: the state that it waits in.
function showCurrentState() {
  const current = document.querySelector(".box.is-here");
  if (current && !location.hash) centre(current);
}

addEventListener("hashchange", showSelectedState);
document.addEventListener("click", ({ target }) => {
  if (wideScreen.matches && target.closest?.(".flow__sheet a[href^='#s']")) scrollTopToRestore = main.scrollTop;
});
document.addEventListener("change", ({ target }) => {
  if (target.name === "zoom") document.querySelector(".box[aria-current]") ? showSelectedState() : showCurrentState();
});
document.addEventListener("htmx:afterSettle", showCurrentState);
showSelectedState();
showCurrentState();
