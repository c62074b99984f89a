// The sentences of the page in the reader's language; those without a translation stay French.

const root = document.documentElement;
const words = JSON.parse(root.dataset.words || "{}");
export const languageTag = root.lang;

export function translate(sentence, values = {}) {
  const translation = words[sentence.replaceAll(/[\u00a0\u202f]/g, " ")] ?? sentence;
  return translation.replaceAll(/\{(\w+)\}/g, (placeholder, name) => values[name] ?? placeholder);
}
