// The number before the page's title, and on the icon of the installed application: my unread conversations and those
// that wait. Whoever sets the title (a swapped pane) need not know of it.
const NUMBER = /^\(\d+\) /;
let count = 0;

function showCount() {
  const title = document.title.replace(NUMBER, "");
  const numbered = count ? `(${count}) ${title}` : title;
  if (document.title !== numbered) document.title = numbered;
}

function showOnIcon() {
  const shown = count ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.();
  shown?.catch(() => {}); // not installed
}

document.addEventListener("relais:counts", ({ detail }) => {
  const total = detail.unread_mine + detail.pending;
  if (total === count) return;
  count = total;
  showCount();
  showOnIcon();
});
new MutationObserver(showCount).observe(document.head, { childList: true, subtree: true, characterData: true });
