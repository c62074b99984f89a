// The back arrow returns to the list the reader came from, with its filters and scroll position, by the browser's
// history. Without a script, or from elsewhere, its link opens the list from the top.
const LIST_PATH = /^\/dashboard(\/(active|pending|conversations))?\/?$/;

function cameFromList() {
  const referrer = URL.parse?.(document.referrer);
  return referrer?.origin === location.origin && LIST_PATH.test(referrer.pathname);
}

document.addEventListener("click", (event) => {
  if (!event.target.closest(".chat__back") || event.ctrlKey || event.metaKey || !cameFromList()) return;
  event.preventDefault();
  history.go(-1 - (history.state?.depth ?? 0)); // `depth`: conversations opened since, in conversation_panes.js
});
