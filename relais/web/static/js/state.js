// Says when the page « État » is not answered any more, and takes it back.
const gone = document.getElementById("state-gone");
const about = ({ detail }) => detail.elt.id === "state";

for (const name of ["htmx:sendError", "htmx:responseError"])
  document.addEventListener(name, (event) => about(event) && (gone.hidden = false));
document.addEventListener("htmx:afterSwap", ({ detail }) => detail.target.id === "state" && (gone.hidden = true));
