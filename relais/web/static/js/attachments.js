// Files that will be sent with the message: picked, dropped or pasted, listed under the text, removed one by one. They stay in
// the form's own input, which submits them (composer.js leaves a form with files to the browser).
const input = () => document.querySelector("[data-composer] [data-files]");
const list = () => document.querySelector("[data-composer] [data-file-list]");

function setFiles(files) {
  const transfer = new DataTransfer();
  for (const file of files.slice(0, Number(input().dataset.maxFiles))) transfer.items.add(file);
  input().files = transfer.files;
  showFiles();
}

function showFiles() {
  const files = [...input().files];
  list().hidden = !files.length;
  list().replaceChildren(...files.map((file, n) => {
    const item = list().ownerDocument.importNode(document.getElementById("attachment").content, true).firstElementChild;
    item.querySelector("bdi").textContent = file.name;
    item.querySelector("small").textContent = formatSize(file.size);
    const button = item.querySelector("button");
    button.ariaLabel = input().dataset.remove.replace("{name}", file.name);
    button.dataset.removeFile = n;
    return item;
  }));
}

function formatSize(bytes) {
  const [unit, divisor] = bytes < 1e6 ? ["kilobyte", 1e3] : ["megabyte", 1e6];
  const format = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, maximumFractionDigits: 1 });
  return format.format(bytes / divisor);
}

document.addEventListener("change", ({ target }) => {
  if (target.matches?.("[data-files]")) showFiles();
  else if (target.matches?.("[data-camera]")) {
    const taken = [...target.files];
    target.value = "";
    setFiles([...input().files, ...taken]);
  }
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
  setFiles([...input().files].filter((_file, n) => n !== Number(button.dataset.removeFile)));
  input().focus();
});

document.addEventListener("paste", (event) => {
  const pasted = [...event.clipboardData.files];
  if (!pasted.length || !input() || !event.target.matches?.("[data-composer] textarea")) return;
  event.preventDefault();
  setFiles([...input().files, ...pasted]);
});

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && input() && event.target.closest?.("#chat");

document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  setFiles([...input().files, ...event.dataTransfer.files]);
});
