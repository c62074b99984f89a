// Loads note_tools.js, once, when a note is first written or changed: most visits of a conversation need neither.
let loading;
let isLoaded = false;

export const hasNoteTools = () => isLoaded;

export function loadNoteTools() {
  loading ??= new Promise((resolve, reject) => {
    const { toolsUrl } = document.getElementById("note-composer").dataset;
    const script = Object.assign(document.createElement("script"), { type: "module", src: toolsUrl, onload: resolve, onerror: reject });
    document.head.append(script);
  }).then(() => (isLoaded = true), () => (loading = undefined));
  return loading;
}
