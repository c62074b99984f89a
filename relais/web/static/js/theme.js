// Not a module: it runs before the first paint. The theme is stored in this browser; the time zone is sent to the server
// as a cookie, so that the next page is rendered in it.
(() => {
  const root = document.documentElement;
  const storedTheme = () => { try { return localStorage.getItem("theme") || ""; } catch { return ""; } };
  const applyTheme = (theme) => (theme ? root.setAttribute("data-theme", theme) : root.removeAttribute("data-theme"));
  const markChoice = () => document.querySelectorAll("[data-theme-choice]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === storedTheme())));

  applyTheme(storedTheme());
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  const cookie = `relais_time_zone=${zone}`;
  if (zone && !document.cookie.split("; ").includes(cookie))
    document.cookie = `${cookie}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
  document.addEventListener("DOMContentLoaded", markChoice);
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-theme-choice]");
    if (!button) return;
    try { localStorage.setItem("theme", button.dataset.themeChoice); } catch { /* for this page only */ }
    applyTheme(button.dataset.themeChoice);
    markChoice();
  });
  addEventListener("storage", ({ key }) => key === "theme" && (applyTheme(storedTheme()), markChoice()));
})();
