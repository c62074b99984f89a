// What a person must be told: `tell(sentence, level)`; failed htmx requests say so by themselves.
const place = document.getElementById("notices");
const PASSING = 6000;

export function tell(sentence, level = "info", link = null) {
  const notice = document.createElement("div");
  notice.className = `notice notice--${level}`;
  notice.append(Object.assign(document.createElement("span"), { textContent: sentence }));
  if (link) notice.firstChild.append(" ", Object.assign(document.createElement("a"), { href: link.href, textContent: link.text, target: "_blank" }));
  place.append(notice);
  dress(notice, level !== "error");
}

function dress(notice, passing) {
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
  close.setAttribute("aria-label", place.dataset.close);
  close.addEventListener("click", () => notice.remove());
  notice.append(close);
  if (passing) setTimeout(() => notice.remove(), PASSING);
}

place.querySelectorAll(".notice").forEach((notice) => dress(notice, "passing" in notice.dataset));
// What asks by itself, time and again, says so in its own place.
const quiet = ({ elt }) => elt.hasAttribute("data-quiet");
document.addEventListener("htmx:sendError", ({ detail }) => quiet(detail) || tell(place.dataset.offline, "error"));
document.addEventListener("htmx:responseError", ({ detail }) => {
  if (detail.xhr.status === 401) return location.reload(); // signed out: the page asks to sign in again
  if (quiet(detail)) return;
  tell(detail.xhr.status === 403 ? place.dataset.forbidden : place.dataset.error, "error");
});
