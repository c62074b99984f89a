// The phone's API calls: each returns JSON or throws an ApiError with a sentence for the person.

import { translate } from "./translate.js";

export class ApiError extends Error {}

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
  let response;
  try {
    response = await fetch(`/simulator/api/${path}`, options);
  } catch {
    throw new ApiError(translate("Relais ne répond pas. Réessayez dans un instant."));
  }
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(translate(data.error || "Relais n'a pas pu le faire. Réessayez dans un instant."));
  return data;
}
