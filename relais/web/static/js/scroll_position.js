// Scroll position: of the page, restored by Back and by a reload; of the list beside a conversation, kept for the next one.
const main = document.getElementById("main");
const sideList = document.querySelector(".desk__list");
const SAVE_DELAY_MS = 150;
const STORAGE_KEY = "relais:aside-scroll";
let saveTimer;

function save() {
  clearTimeout(saveTimer);
  if (main.scrollTop !== (history.state?.scroll ?? 0)) history.replaceState({ ...history.state, scroll: main.scrollTop }, "");
  if (sideList) try { sessionStorage.setItem(STORAGE_KEY, sideList.scrollTop); } catch { /* starts at the top again */ }
}

main.scrollTop = history.state?.scroll ?? 0;
if (sideList) try { sideList.scrollTop = Number(sessionStorage.getItem(STORAGE_KEY)); } catch { /* starts at the top */ }
main.addEventListener("scroll", () => { clearTimeout(saveTimer); saveTimer = setTimeout(save, SAVE_DELAY_MS); }, { passive: true });
document.addEventListener("click", save, { capture: true }); // before a link leaves the page
addEventListener("pagehide", save);
