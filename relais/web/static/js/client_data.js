// Edits the client's data in place, beside the chat and on the card: the form takes the place of [data-client-details], and
// what the server responds takes the place of the form. Without this script both are pages.
import { showNotice } from "./notices.js";
import { errorText } from "./post.js";

const HEADERS = { "X-Requested-With": "fetch", Accept: "text/html" };

async function load(element, url, options = {}) {
  const current = element.closest("[data-client-details]");
  const response = await fetch(url, { headers: HEADERS, ...options }).catch(() => null);
  const html = response && (await response.text().catch(() => ""));
  const fresh = html && new DOMParser().parseFromString(html, "text/html").querySelector("[data-client-details]");
  if (!fresh) return showNotice(errorText({ status: response?.status ?? 0 }), "error");
  current.replaceWith(fresh);
  const name = document.querySelector("[data-client-name]");
  if (name && fresh.dataset.name) name.textContent = fresh.dataset.name;
  const target = fresh.querySelector('[aria-invalid="true"]') ?? fresh.querySelector("form[data-client-form] .field input") ?? fresh.querySelector("[data-client-edit]");
  target?.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-client-edit]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !link.closest("#client, .record")) return;
  event.preventDefault();
  load(link, link.dataset.fragment ?? link.href);
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-client-form]");
  if (!form?.closest("#client, .record")) return;
  event.preventDefault();
  load(form, form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
});
