// Files of a chosen quick reply: attachments.js lists them under the text, and only their tokens are sent.
export function attachStoredFiles(files) {
  const attached = files.map(({ content_type: type, ...file }) => ({ ...file, type }));
  document.dispatchEvent(new CustomEvent("relais:attach-files", { detail: { files: attached } }));
}
