// Where the reader was: in the page, found again by Back and by a reload; beside a conversation, on the next one too.
const main = document.getElementById("main");
const aside = document.querySelector(".desk__list");
const SOON = 150;
const ASIDE = "relais:aside-scroll";
let soon;

function keep() {
  clearTimeout(soon);
  if (main.scrollTop !== (history.state?.scroll ?? 0)) history.replaceState({ ...history.state, scroll: main.scrollTop }, "");
  if (aside) try { sessionStorage.setItem(ASIDE, aside.scrollTop); } catch { /* from the top again */ }
}

main.scrollTop = history.state?.scroll ?? 0;
if (aside) try { aside.scrollTop = Number(sessionStorage.getItem(ASIDE)); } catch { /* from the top */ }
main.addEventListener("scroll", () => { clearTimeout(soon); soon = setTimeout(keep, SOON); }, { passive: true });
document.addEventListener("click", keep, { capture: true }); // before the page is left by a link
addEventListener("pagehide", keep);
