// Titles name the key of an action: « Clôturer (C) ». The server renders them alike for everyone, so they lose a single key
// here, for a user who turned those off.
import { singleKeysAreOn } from "./single_keys.js";

const SINGLE_KEY_AT_END = /\s*\(\s*[^()\s]\s*\)$/u;

function removeSingleKey({ target }) {
  const element = target.closest?.("[aria-keyshortcuts][title]");
  if (element && !singleKeysAreOn()) element.title = element.title.replace(SINGLE_KEY_AT_END, "");
}

for (const type of ["pointerover", "focusin"]) document.addEventListener(type, removeSingleKey);
