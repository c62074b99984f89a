// Files that are stored already, of a chosen quick reply: listed under the text, opened or removed one by one, and sent by
// their token. Loaded with what attaches them.
import { formatSize } from "./file_size.js";

const list = () => document.querySelector("[data-composer] [data-stored-files]");

function itemFor({ name, content_type: type, size, url, token }) {
  const item = document.importNode(document.getElementById("stored-file").content, true).firstElementChild;
  item.querySelector("input").value = token;
  item.querySelector("a").href = url;
  item.querySelector("bdi").textContent = name;
  item.querySelector("small").textContent = formatSize(size);
  item.querySelector("button").ariaLabel = list().dataset.remove.replace("{name}", name);
  const picture = item.querySelector("img");
  picture.hidden = !type.startsWith("image/");
  if (!picture.hidden) picture.src = url;
  return item;
}

// The same file twice would be a mistake; the server says when there are too many.
export function attachStoredFiles(files) {
  const links = new Set([...list().querySelectorAll("a")].map((link) => link.getAttribute("href")));
  list().append(...files.filter(({ url }) => !links.has(url)).map(itemFor));
  list().hidden = !list().childElementCount;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-remove-stored-file]");
  if (!button) return;
  button.closest("li").remove();
  list().hidden = !list().childElementCount;
  list().closest("form").elements.message.focus();
});
