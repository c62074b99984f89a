// Not a module: it runs before the first paint. The choice stays in this browser.
(() => {
  const root = document.documentElement;
  const kept = () => { try { return localStorage.getItem("theme") || ""; } catch { return ""; } };
  const show = (theme) => (theme ? root.setAttribute("data-theme", theme) : root.removeAttribute("data-theme"));
  const mark = () => document.querySelectorAll("[data-theme-choice]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === kept())));

  show(kept());
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
