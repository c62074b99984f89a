// Files of unsent messages: stored in IndexedDB by the message's ref until the server has them, so that a lost connection, a
// reload or a crash loses none, and uploaded with progress. unsent_files.js loads this and asks.
import { csrfToken } from "./csrf.js";

const DATABASE = "relais-files";
const STALLED_AFTER_MS = 30_000; // without a byte sent or an answer
const keyOf = (ref) => `${document.body.dataset.user}:${ref}`;
const inMemory = new Map(); // where the browser allows no database

function run(mode, action) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("files");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction("files", mode);
      const request = action(transaction.objectStore("files"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
      opening.result.onversionchange = () => opening.result.close();
    };
  });
}

async function keep({ ref, files }) {
  try { await run("readwrite", (store) => store.put(files, keyOf(ref))); } catch { inMemory.set(ref, files); }
  return true;
}

async function get({ ref }) {
  return inMemory.get(ref) ?? (await run("readonly", (store) => store.get(keyOf(ref))).catch(() => null)) ?? null;
}

function forget(ref) {
  inMemory.delete(ref);
  return run("readwrite", (store) => store.delete(keyOf(ref))).catch(() => null);
}

// Messages that arrived although their answer was lost, or that were discarded.
async function forgetOthers() {
  const prefix = keyOf("");
  const unsent = Object.entries(localStorage).filter(([key]) => key.startsWith("relais:unsent:")).map(([, text]) => text);
  const keys = await run("readonly", (store) => store.getAllKeys());
  for (const key of keys) {
    const ref = key.slice(prefix.length);
    if (key.startsWith(prefix) && !unsent.some((text) => text.includes(ref))) forget(ref);
  }
}

// -- uploading ----------------------------------------------------------------------------------------------------

// Resolves to { status, success, … } like post.js, status 0 without an answer.
async function upload({ conversation, message: { ref, text } }) {
  const files = await get({ ref });
  if (!files) return { status: 422, success: false, error: document.getElementById("notices").dataset.filesGone };
  const body = new FormData();
  for (const [name, value] of Object.entries({ message: text, ref, undo: "1" })) body.append(name, value);
  for (const file of files) {
    if (file.token) body.append("stored_file", file.token);
    else body.append("files", file, file.name);
  }
  const response = await send(`/dashboard/chat/${conversation}/send`, body, (fraction) => showProgress(ref, fraction));
  if (response.success) forget(ref);
  return response;
}

function send(url, body, onProgress) {
  const request = new XMLHttpRequest();
  let timer;
  const expectMore = () => {
    clearTimeout(timer);
    timer = setTimeout(() => request.abort(), STALLED_AFTER_MS);
  };
  return new Promise((resolve) => {
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => {
      expectMore();
      onProgress(loaded / total);
    };
    request.onloadend = () => {
      clearTimeout(timer);
      resolve({ success: false, ...request.response, status: request.status });
    };
    expectMore();
    request.send(body);
  });
}

// -- the message in the thread ----------------------------------------------------------------------------------------

const bubbleOf = (ref) => document.querySelector(`#thread > .is-unsent[data-ref="${CSS.escape(ref)}"]`);

function showProgress(ref, fraction) {
  const bar = bubbleOf(ref)?.querySelector("progress");
  if (bar) bar.value = fraction;
}

async function show({ ref, names }) {
  const template = document.getElementById("unsent-file");
  const items = names.map((name) => {
    const item = template.content.firstElementChild.cloneNode(true);
    item.querySelector("bdi").textContent = name;
    return item;
  });
  const bar = template.content.lastElementChild.cloneNode(true);
  bubbleOf(ref)?.querySelector(".bubble__text").before(...items, bar);
  const files = (await get({ ref })) ?? [];
  files.forEach((file, n) => file.type.startsWith("image/") && showPicture(items[n], file));
}

function showPicture(item, file) {
  const picture = Object.assign(new Image(), { src: file.url ?? URL.createObjectURL(file), alt: "" });
  picture.onload = () => {
    URL.revokeObjectURL(picture.src);
    item.prepend(picture);
  };
  picture.onerror = () => URL.revokeObjectURL(picture.src); // browsers show no HEIC
}

const answers = { keep, get, upload, show };

document.addEventListener("relais:file-outbox", (event) => {
  event.preventDefault();
  const { question, resolve, ...detail } = event.detail;
  answers[question](detail).then(resolve, () => resolve(null));
});

forgetOthers().catch(() => null);
