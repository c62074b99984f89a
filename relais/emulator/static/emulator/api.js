// The phone's calls; each answers JSON or throws a sentence for the person.

export class Refused extends Error {}

export const get = (path) => call(path);
export const post = (path, body) =>
  call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
export const remove = (path) => call(path, { method: "DELETE" });

export const upload = (file) =>
  call("uploads", {
    method: "POST",
    headers: { "Content-Type": file.type || "application/octet-stream", "X-Filename": encodeURIComponent(file.name) },
    body: file,
  });

async function call(path, options) {
  let answer;
  try {
    answer = await fetch(`/simulator/api/${path}`, options);
  } catch {
    throw new Refused("Relais ne répond pas. Réessayez dans un instant.");
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(told.error || "Relais n'a pas pu le faire. Réessayez dans un instant.");
  return told;
}
