// The client panel: a column that collapses on wide screens, a sheet over the conversation on narrow ones.
const wideScreen = matchMedia("(width >= 1100px)");
const panel = () => document.getElementById("client");
const STORAGE_KEY = "relais:client-folded";
const storeCollapsed = (collapsed) => { try { localStorage.setItem(STORAGE_KEY, collapsed ? "1" : ""); } catch { /* for this page only */ } };
const loadCollapsed = () => { try { return localStorage.getItem(STORAGE_KEY) === "1"; } catch { return false; } };

function setCollapsed(collapsed) {
  panel().toggleAttribute("data-collapsed", collapsed);
  storeCollapsed(collapsed);
}

function setOpen(open) {
  panel().toggleAttribute("data-open", open);
  if (open) panel().focus();
  else document.querySelector("#chat-header [data-client]")?.focus();
}

document.addEventListener("relais:conversation-opened", () => loadCollapsed() && setCollapsed(true));
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-client]")) {
    event.preventDefault();
    if (wideScreen.matches) setCollapsed(!panel().hasAttribute("data-collapsed"));
    else setOpen(!panel().hasAttribute("data-open"));
  } else if (panel().hasAttribute("data-open") && !panel().contains(event.target) && !event.target.closest("dialog")) setOpen(false);
});
document.addEventListener("keydown", ({ key }) => key === "Escape" && !document.querySelector("dialog[open]") && panel().hasAttribute("data-open") && setOpen(false));
