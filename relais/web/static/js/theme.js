// Not a module: it runs before the first paint. The theme stays in this browser; the zone is told to the server, which
// writes times in it from the next page on.
(() => {
  const root = document.documentElement;
  const kept = () => { try { return localStorage.getItem("theme") || ""; } catch { return ""; } };
  const show = (theme) => (theme ? root.setAttribute("data-theme", theme) : root.removeAttribute("data-theme"));
  const mark = () => document.querySelectorAll("[data-theme-choice]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === kept())));

  show(kept());
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  const cookie = `relais_time_zone=${zone}`;
  if (zone && !document.cookie.split("; ").includes(cookie))
    document.cookie = `${cookie}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
  document.addEventListener("DOMContentLoaded", mark);
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-theme-choice]");
    if (!button) return;
    try { localStorage.setItem("theme", button.dataset.themeChoice); } catch { /* kept for this page only */ }
    show(button.dataset.themeChoice);
    mark();
  });
  addEventListener("storage", ({ key }) => key === "theme" && (show(kept()), mark()));
})();
