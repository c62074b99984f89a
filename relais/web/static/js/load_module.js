// Loads a module that most visits of a page do not need: once, by the address that the page gives for it.
const loads = new Map();

export function loadModule(src) {
  if (!loads.has(src)) {
    const script = Object.assign(document.createElement("script"), { type: "module", src });
    const load = new Promise((resolve, reject) => Object.assign(script, { onload: resolve, onerror: reject }));
    loads.set(src, load.catch((error) => { loads.delete(src); throw error; }));
    document.head.append(script);
  }
  return loads.get(src);
}
