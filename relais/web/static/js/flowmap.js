// The state whose details are shown is marked in the drawing and brought into its view; the page itself stays put.
const main = document.getElementById("main");
const wide = matchMedia("(width >= 1100px)");
let stays = null;

function centre(box) {
  const paper = box.closest(".flowmap__paper");
  const [inner, outer] = [box.getBoundingClientRect(), paper.getBoundingClientRect()];
  const isIn = inner.top >= outer.top && inner.bottom <= outer.bottom && inner.left >= outer.left && inner.right <= outer.right;
  if (isIn) return;
  paper.scrollBy({
    left: inner.left + inner.width / 2 - outer.left - outer.width / 2,
    top: inner.top + inner.height / 2 - outer.top - outer.height / 2,
  });
}

function show() {
  const asked = /^#s(\d+)$/.exec(location.hash);
  const box = asked && document.getElementById(`b${asked[1]}`);
  for (const old of document.querySelectorAll(".box[aria-current]")) old.removeAttribute("aria-current");
  if (!box) return;
  box.setAttribute("aria-current", "true");
  centre(box);
  if (stays !== null) main.scrollTop = stays;
  stays = null;
}

function showWhereItStands() {
  const here = document.querySelector(".box.is-here");
  if (here && !location.hash) centre(here);
}

addEventListener("hashchange", show);
document.addEventListener("click", ({ target }) => {
  if (wide.matches && target.closest?.(".flow__sheet a[href^='#s']")) stays = main.scrollTop;
});
document.addEventListener("change", ({ target }) => {
  if (target.name === "zoom") document.querySelector(".box[aria-current]") ? show() : showWhereItStands();
});
document.addEventListener("htmx:afterSettle", showWhereItStands);
show();
showWhereItStands();
