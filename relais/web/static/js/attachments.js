// Files that will be sent with the message: picked, taken by a camera, dropped, pasted, or of a quick reply, shown under the
// text, removed one by one. They stay while another conversation is open. Without scripts the form's own input submits them;
// composer.js puts them into the outbox. A file of a quick reply is { name, size, type, url, token }: it is stored already.
import { showProblem } from "./composer_problem.js";
import { formatSize } from "./file_size.js";
import { loadModule } from "./load_module.js";
import { conversationId } from "./open_conversation.js";

const input = () => document.querySelector("[data-composer] [data-files]");
const list = () => document.querySelector("[data-composer] [data-file-list]");

const chosen = new Map(); // by conversation

export const chosenFiles = () => chosen.get(conversationId()) ?? [...(input()?.files ?? [])];
export const clearFiles = () => setFiles([]);
export const forgetFiles = (conversation) => chosen.delete(conversation);

// What WhatsApp takes in no case is refused at once; the server decides about the rest by the content.
export function addFiles(files) {
  const { maxFiles, maxBytes, tooMany, tooLarge, empty } = input().dataset;
  const problems = [];
  const accepted = files.filter(({ name, size }) => {
    if (size > Number(maxBytes)) problems.push(tooLarge.replace("{name}", name));
    else if (!size) problems.push(empty.replace("{name}", name));
    else return true;
    return false;
  });
  // In the order in which the server sends them.
  const all = [...chosenFiles(), ...accepted].sort((one, other) => Boolean(other.token) - Boolean(one.token));
  if (all.length > Number(maxFiles)) problems.push(tooMany);
  setFiles(all.slice(0, Number(maxFiles)));
  showProblem(problems.join(" "));
  loadModule(document.getElementById("notices").dataset.fileOutbox).catch(() => null); // needed when they are sent
}

function setFiles(files) {
  if (files.length) chosen.set(conversationId(), files);
  else chosen.delete(conversationId());
  input().value = "";
  showFiles();
}

export function showFiles() {
  list().querySelectorAll("img").forEach(({ src }) => URL.revokeObjectURL(src));
  const files = chosenFiles();
  list().hidden = !files.length;
  list().replaceChildren(...files.map((file, n) => {
    const item = list().ownerDocument.importNode(document.getElementById("attachment").content, true).firstElementChild;
    const name = item.querySelector("bdi");
    name.textContent = file.name;
    if (file.url) {
      name.before(Object.assign(document.createElement("a"), { href: file.url, target: "_blank", rel: "noopener", className: "attachments__link" }));
      name.previousElementSibling.append(name);
    }
    item.querySelector("small").textContent = formatSize(file.size);
    if (file.type.startsWith("image/")) item.prepend(thumbnail(file));
    const button = item.querySelector("button");
    button.ariaLabel = input().dataset.remove.replace("{name}", file.name);
    button.dataset.removeFile = n;
    return item;
  }));
}

function thumbnail(file) {
  const picture = Object.assign(new Image(), { src: file.url ?? URL.createObjectURL(file), alt: "", className: "attachments__picture" });
  picture.onerror = () => picture.remove(); // browsers show no HEIC
  return picture;
}

// From modules that are loaded when needed. The same file twice would be a mistake.
document.addEventListener("relais:attach-files", ({ detail: { files } }) => {
  const urls = new Set(chosenFiles().map(({ url }) => url));
  addFiles(files.filter(({ url }) => !urls.has(url)));
});

document.addEventListener("change", ({ target }) => {
  if (!target.matches?.("[data-files], [data-camera]")) return;
  const files = [...target.files];
  target.value = "";
  addFiles(files);
});

// The menu « + » closes once something is chosen in it.
document.addEventListener("click", ({ target }) => {
  if (target.closest?.(".composer__tool")) document.querySelector("#composer-menu:popover-open")?.hidePopover();
});

document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.code !== "KeyJ" || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (!input() || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  input().click();
});

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-remove-file]");
  if (!button) return;
  setFiles(chosenFiles().filter((_file, n) => n !== Number(button.dataset.removeFile)));
  input().form.elements.message.focus();
});

document.addEventListener("paste", (event) => {
  const pasted = [...event.clipboardData.files];
  if (!pasted.length || !input() || !event.target.matches?.("[data-composer] textarea")) return;
  event.preventDefault();
  addFiles(pasted);
});

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && input() && event.target.closest?.("#chat");
const markDrop = (isOver) => document.getElementById("chat")?.toggleAttribute("data-drop", isOver);

document.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  markDrop(true);
});
document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget?.closest?.("#chat") || markDrop(false));
document.addEventListener("drop", (event) => {
  markDrop(false);
  if (!carriesFiles(event)) return;
  event.preventDefault();
  addFiles([...event.dataTransfer.files]);
});
