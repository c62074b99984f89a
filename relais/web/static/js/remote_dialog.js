// <a href data-loads-dialog="id"> opens the form of that page in a <dialog>, fetched at the first use: a conversation is
// opened more often than it is transferred. Without a script, or without an answer, the link opens the page.
const FETCH_TIMEOUT_MS = 5_000;

async function openDialog(link) {
  const response = await fetch(link.href, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) }).catch(() => null);
  const page = response?.ok && !response.redirected && new DOMParser().parseFromString(await response.text(), "text/html");
  const content = page && page.querySelector("[data-dialog-content] > form");
  if (!content) return location.assign(link.href);
  content.action = link.href;
  const dialog = document.createElement("dialog");
  dialog.id = link.dataset.loadsDialog;
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", content.querySelector("h2").id);
  dialog.append(content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (link.isConnected) link.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

// A link that is called a button reacts to the space bar, too.
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches?.("a[role=button]")) return;
  event.preventDefault();
  event.target.click();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-loads-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openDialog(link);
});
