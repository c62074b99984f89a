// Shows a warning on the page « État » while its refresh fails, and hides it after the next success.
const staleWarning = document.getElementById("state-stale");
const isOfStatePage = ({ detail }) => detail.elt.id === "state";

for (const name of ["htmx:sendError", "htmx:responseError"])
  document.addEventListener(name, (event) => isOfStatePage(event) && (staleWarning.hidden = false));
document.addEventListener("htmx:afterSwap", ({ detail }) => detail.target.id === "state" && (staleWarning.hidden = true));
