// The current CSRF token. Signing in again, here or in another tab, replaces the cookie; the page's own is then refused.
const pageToken = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}")["X-CSRFToken"] ?? "";
const cookieToken = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1];

export const csrfToken = () => cookieToken() ?? pageToken;

document.addEventListener("htmx:configRequest", ({ detail }) => (detail.headers["X-CSRFToken"] = csrfToken()));
document.addEventListener("submit", ({ target }) => {
  const field = target.elements?.csrfmiddlewaretoken;
  if (field) field.value = csrfToken();
}, { capture: true });
