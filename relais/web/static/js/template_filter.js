// Lists of templates, filtered while typing as the server searches them: every word, without regard to case and accents.
const MARKS = /\p{M}/gu;
const fold = (text) => text.normalize("NFKD").replace(MARKS, "").toLowerCase();

/** Hides what does not match; returns what does. */
export function filterTemplates(items, query) {
  const words = fold(query).split(/\s+/).filter(Boolean);
  return [...items].filter((item) => {
    const text = fold(item.textContent);
    item.hidden = !words.every((word) => text.includes(word));
    return !item.hidden;
  });
}
