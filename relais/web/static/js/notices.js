// Notices to the user: `showNotice(sentence, level)`. Failed htmx requests show one by themselves.
const container = document.getElementById("notices");
const AUTO_DISMISS_MS = 6_000;
const AUTO_DISMISS_WITH_UNDO_MS = 12_000;

export function showNotice(sentence, level = "info", link = null) {
  // The same again replaces the one that is shown.
  [...container.children].find((each) => each.firstElementChild?.textContent === sentence)?.remove();
  const notice = document.createElement("div");
  notice.className = `notice notice--${level}`;
  notice.append(Object.assign(document.createElement("span"), { textContent: sentence }));
  if (link) notice.firstChild.append(" ", Object.assign(document.createElement("a"), { href: link.href, textContent: link.text, target: "_blank" }));
  container.append(notice);
  makeDismissible(notice, level !== "error");
}

function makeDismissible(notice, autoDismiss) {
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
  close.setAttribute("aria-label", container.dataset.close);
  close.addEventListener("click", () => notice.remove());
  notice.append(close);
  const delayMs = notice.querySelector("form") ? AUTO_DISMISS_WITH_UNDO_MS : AUTO_DISMISS_MS;
  if (autoDismiss) setTimeout(() => notice.remove(), delayMs);
}

// A module that is loaded later imports this file beside the bundle, where it already ran.
if (!("listens" in container.dataset)) {
  container.dataset.listens = "";
  container.querySelectorAll(".notice").forEach((notice) => makeDismissible(notice, "autoDismiss" in notice.dataset));
  // Elements that poll show their failures in their own place.
  const isQuiet = ({ elt }) => elt.hasAttribute("data-quiet");
  document.addEventListener("htmx:sendError", ({ detail }) => isQuiet(detail) || showNotice(container.dataset.offline, "error"));
  document.addEventListener("htmx:responseError", ({ detail }) => {
    if (detail.xhr.status === 401) return location.reload(); // signed out: the page asks to sign in again
    if (isQuiet(detail)) return;
    showNotice(detail.xhr.status === 403 ? container.dataset.forbidden : container.dataset.error, "error");
  });
}
