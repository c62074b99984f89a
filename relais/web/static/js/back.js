// The arrow goes back to the list one came from, as it was; the link alone leads to the top of one without its filters.
const LISTS = /^\/dashboard(\/(active|pending|conversations))?\/?$/;

function cameFromList() {
  const from = URL.parse?.(document.referrer);
  return from?.origin === location.origin && LISTS.test(from.pathname);
}

document.addEventListener("click", (event) => {
  if (!event.target.closest(".chat__back") || event.ctrlKey || event.metaKey || !cameFromList()) return;
  event.preventDefault();
  history.back();
});
