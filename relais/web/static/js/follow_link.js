// Goes to a page by a link, so that a page with panes opens a conversation in them.
export function followLink(url) {
  const link = Object.assign(document.createElement("a"), { href: url, hidden: true });
  (document.querySelector(".desk") ?? document.body).append(link);
  link.click();
  link.remove();
}
