// The CSRF token as it is now. Signing in again, here or in another tab, makes a new one, and the page's own is refused.
const ofPage = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}")["X-CSRFToken"] ?? "";
const ofCookie = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1];

export const csrfToken = () => ofCookie() ?? ofPage;

document.addEventListener("htmx:configRequest", ({ detail }) => (detail.headers["X-CSRFToken"] = csrfToken()));
document.addEventListener("submit", ({ target }) => {
  const field = target.elements?.csrfmiddlewaretoken;
  if (field) field.value = csrfToken();
}, { capture: true });
