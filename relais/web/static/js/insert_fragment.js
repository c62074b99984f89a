// Inserts a fragment of the timeline in its place: it replaces the element with its id, else it is ordered by `seq`.
// Pushed frames and answers to this page's own requests arrive in any order; the one with the higher `rev` wins.
const revOf = (element) => Math.max(...[element, ...element.querySelectorAll("[data-rev]")].map(({ dataset }) => Number(dataset.rev ?? 0)));
const seqOf = (element) => Number(element.dataset.seq);
// A note follows the event it was written after, and the notes before it.
const noteOf = (element) => Number(element.dataset.note ?? 0);
const comesAfter = (a, b) => (seqOf(a) - seqOf(b) || noteOf(a) - noteOf(b)) > 0;

export function insertFragment(html) {
  const fragment = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
  const events = document.getElementById("thread");
  if (!fragment || !events) return null;
  const current = document.getElementById(fragment.id);
  if (current) return revOf(current) > revOf(fragment) ? current : (current.replaceWith(fragment), fragment);
  if (!fragment.dataset.seq) return null; // belongs to a message that is not on this page
  const first = events.querySelector(":scope > [data-seq]");
  // What is older than this page of the timeline is shown once the reader pages back to it.
  if (events.querySelector(":scope > .earlier") && first && seqOf(fragment) < seqOf(first)) return null;
  // Search from the end: fragments are mostly the newest, and after a long disconnection there may be thousands.
  let next = null;
  for (let item = events.lastElementChild; item && !(item.dataset.seq && comesAfter(fragment, item)); item = item.previousElementSibling)
    if (item.dataset.seq) next = item;
  events.insertBefore(fragment, next);
  return fragment;
}
