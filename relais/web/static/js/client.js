// The client's pane: folded away where it has a column of its own, a sheet over the conversation where it has none.
const wide = matchMedia("(width >= 1100px)");
const pane = document.getElementById("client");
const KEY = "relais:client-folded";
const remember = (folded) => { try { localStorage.setItem(KEY, folded ? "1" : ""); } catch { /* for this page only */ } };
const remembered = () => { try { return localStorage.getItem(KEY) === "1"; } catch { return false; } };

function fold(folded) {
  pane.toggleAttribute("data-folded", folded);
  remember(folded);
}

function open(shown) {
  pane.toggleAttribute("data-open", shown);
  if (shown) pane.focus();
  else document.querySelector("#situation [data-client]")?.focus();
}

if (remembered()) fold(true);
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-client]")) {
    event.preventDefault();
    if (wide.matches) fold(!pane.hasAttribute("data-folded"));
    else open(!pane.hasAttribute("data-open"));
  } else if (pane.hasAttribute("data-open") && !pane.contains(event.target)) open(false);
});
document.addEventListener("keydown", ({ key }) => key === "Escape" && pane.hasAttribute("data-open") && open(false));
