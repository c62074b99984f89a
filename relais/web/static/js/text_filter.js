// Lists that are filtered while typing as the server searches: every word, without regard to case and accents.
const MARKS = /\p{M}/gu;

export const foldText = (text) => text.normalize("NFKD").replace(MARKS, "").toLowerCase();

/** Hides what does not match; returns what does. */
export function filterItems(items, query) {
  const words = foldText(query).split(/\s+/).filter(Boolean);
  return [...items].filter((item) => {
    const text = foldText(item.textContent);
    item.hidden = !words.every((word) => text.includes(word));
    return !item.hidden;
  });
}
