// The files of unsent messages are the business of file_outbox.js, which is loaded by the first of them. It answers
// questions: keep, get, upload, show. Resolves to null if it could not be loaded.
import { loadModule } from "./load_module.js";

export async function askFileOutbox(question, detail) {
  await loadModule(document.getElementById("notices").dataset.fileOutbox).catch(() => null);
  return new Promise((resolve) => {
    const event = new CustomEvent("relais:file-outbox", { cancelable: true, detail: { ...detail, question, resolve } });
    if (document.dispatchEvent(event)) resolve(null);
  });
}
