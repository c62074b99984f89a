// Puts a piece of a conversation where it belongs: it replaces what has its id, else it goes by its seq.
// Pushed frames and the answers to what this page sent may come in any order; the newer one stays.
const revOf = (element) => Math.max(...[element, ...element.querySelectorAll("[data-rev]")].map(({ dataset }) => Number(dataset.rev ?? 0)));
const seqOf = (element) => Number(element.dataset.seq);

export function place(html) {
  const piece = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
  const events = document.getElementById("thread");
  if (!piece || !events) return null;
  const old = document.getElementById(piece.id);
  if (old) return revOf(old) > revOf(piece) ? old : (old.replaceWith(piece), piece);
  if (!piece.dataset.seq) return null; // of a message that is not on this page
  const first = events.querySelector(":scope > [data-seq]");
  // What is older than the stretch on the page is shown when the reader goes back to it.
  if (events.querySelector(":scope > .earlier") && first && seqOf(piece) < seqOf(first)) return null;
  // From the end: what comes is mostly the newest, and after an absence there may be thousands.
  let next = null;
  for (let item = events.lastElementChild; item && !(seqOf(item) <= seqOf(piece)); item = item.previousElementSibling)
    if (item.dataset.seq) next = item;
  events.insertBefore(piece, next);
  return piece;
}
